"""Plots show any name, and cost a training nothing if they fail."""

import functools
import json
import shutil
from collections import Counter

import matplotlib
import numpy as np
import pytest
from PIL import Image

from keras_convmixer import ConvMixer
from keras_convmixer.evaluation.heatmap import HeatMaps
from keras_convmixer.evaluation.plots import (
    MOST_CLASSES,
    draw_all,
    plot_confusion,
    plot_mistakes,
)
from keras_convmixer.evaluation.predictions import Mistake
from keras_convmixer.runs import RunFolder
from keras_convmixer.training.evaluation import evaluate
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.plot_text import (
    MAX_LENGTH,
    REPLACEMENT,
    drawable,
)

NAMES = [
    *("Bada$$", "$x^$", "$\\frac$ off", r"a\$b", "a_b{c}%"),
    *("caf\udce9.jpg", "new\nline\tand\0", "x" * 250, "Ωmega", "ñandú"),
]
UNKNOWN = "\u0378"  # Unicode has no such character, so no font has it.


@pytest.mark.parametrize("count", [len(NAMES), MOST_CLASSES + 1])
def test_any_name_is_drawn(count, tmp_path, capsys):
    names = [*NAMES, *map(str, range(count - len(NAMES)))]
    pairs = [(i, (i + 1) % len(NAMES)) for i in range(len(NAMES))]
    image = np.zeros((8, 8, 3), "uint8")
    mistakes = [
        Mistake(np.full(count, 1 / count), image, label, prediction)
        for label, prediction in pairs
    ]
    plot_confusion(Counter(pairs), names, tmp_path / "confusion.png")
    plot_mistakes(mistakes, names, tmp_path / "mistakes.png")
    network = ConvMixer(8, 1, 3, 4, input_shape=(8, 8, 3), classes=count)
    HeatMaps(network, names).draw(image, NAMES[0], tmp_path / "map.png")
    for name in ("confusion", "mistakes", "map"):
        Image.open(tmp_path / f"{name}.png").load()
    assert capsys.readouterr().err == ""


def test_names_stay_as_they_are():
    with drawable(NAMES) as names:
        # Not the size of a formula: all characters are drawn.
        figure = matplotlib.figure.Figure()
        text = figure.text(0, 0, names[0])
        assert not text.get_parse_math()
    assert names[:3] == NAMES[:3]
    assert names[-2:] == NAMES[-2:]
    assert names[5] == f"caf{REPLACEMENT}.jpg"
    assert "\n" not in names[6]
    assert len(names[7]) == MAX_LENGTH


def test_another_font_has_what_the_first_lacks(capsys):
    small_font = matplotlib.rc_context({"font.family": "cmtt10"})
    with small_font, drawable(["Ж"]) as (name,):
        figure = matplotlib.figure.Figure()
        figure.text(0, 0, name)
        figure.draw_without_rendering()  # A missing glyph is a warning.
    assert name == "Ж"
    assert capsys.readouterr().err == ""


def test_characters_that_no_font_has_are_one_line(tmp_path, capsys):
    names = [f"{UNKNOWN}{i}" for i in range(3)]
    counts = Counter({(0, 1): 2})
    for plot in ("first.png", "second.png"):
        plot_confusion(counts, names, tmp_path / plot)
    (line,) = capsys.readouterr().err.splitlines()
    assert f"no installed font has the characters {UNKNOWN}" in line


def test_a_plot_that_fails_is_one_line_and_the_others_are_drawn(
    tmp_path, capsys
):
    def fails(path):
        raise ValueError("broken\n  twice")

    counts = Counter({(0, 0): 1})
    plot = functools.partial(plot_confusion, counts, ["a"])
    bad, good = tmp_path / "bad.png", tmp_path / "good.png"
    assert not draw_all({bad: fails, good: plot})
    assert good.is_file()
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"{bad} could not be drawn: ValueError: broken twice"


def test_a_training_whose_plots_fail_is_finished(digits_run, tmp_path, capsys):
    folder = shutil.copytree(digits_run, tmp_path / "run")
    shutil.rmtree(folder / "plots")
    (folder / "plots").write_text("in the way")
    (folder / "metrics.json").unlink()
    run = RunFolder(folder)
    data = run.data()
    evaluate(run, data, data.held_out.batch(8))
    assert json.loads((folder / "metrics.json").read_text())["top1"] > 0.9
    printed = capsys.readouterr()
    assert "held-out top-1" in printed.out
    lines = printed.err.splitlines()
    assert len(lines) == 6
    assert all("could not be drawn" in line for line in lines)


def test_a_training_that_was_killed_while_it_plots_goes_on(
    digits_run, tmp_path
):
    folder = shutil.copytree(digits_run, tmp_path / "run")
    run = RunFolder(folder)
    with pytest.raises(UserError, match="is finished"):
        run.read_plan()
    run.backup_path.touch()
    assert run.read_plan().recipe.epochs == 6
