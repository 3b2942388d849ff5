"""`train.py --help` and the options that print and exit."""

import argparse
import re

import pytest

from keras_convmixer.command_line.train import main
from keras_convmixer.command_line.train_options import make_parser
from keras_convmixer.training.options import check_names
from keras_convmixer.training.recipes import RECIPES
from tests.helpers import run_program

# They say where the folder is, or print and exit.
NOT_OF_PYTHON = {
    *("help", "list_recipes", "show_recipe", "dry_run", "resume"),
    *("run", "model", "recipe"),
}


def options():
    return [
        (group.title, action)
        for group in make_parser()._action_groups
        for action in group._group_actions
    ]


def test_every_option_has_a_group_and_a_help_text():
    for title, action in options():
        assert action.help, action.option_strings
        assert action.help != argparse.SUPPRESS
        assert title != "options" or action.dest == "help"


def test_every_option_is_one_of_the_function_too():
    names = {action.dest for _, action in options()} - NOT_OF_PYTHON
    check_names(dict.fromkeys(names))


def printed(*arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main([*arguments])
    assert not end.value.code
    return capsys.readouterr().out


def test_recipes_are_listed_and_shown(capsys):
    listed = printed("--list-recipes", capsys=capsys)
    assert [line.split()[0] for line in listed.splitlines()] == [*RECIPES]
    shown = printed("--show-recipe", "cifar10", capsys=capsys)
    assert re.search("^epochs +200$", shown, re.MULTILINE)
    assert re.search("^ema +0.0$", shown, re.MULTILINE)


def test_a_dry_run_estimates_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = run_program(
        *(main, "--dry-run", "--model", "8/2/k3/p2@8", "--epochs", 7)
    )
    for line in (
        "data  digits, 10 classes, 1,437 training, 360 held out",
        "network  8/2, kernel 3, patch 2, 8 x 8 pixels",
        "steps an epoch  22",
        "epochs  7",
    ):
        assert line in out
    assert re.search(r"memory  0.0105 MB for weights and optimizer", out)
    assert re.search(r"time  about [\d.]+ (s|min) without evaluation", out)
    assert "run folder" not in out
    assert not list(tmp_path.iterdir())
