"""The command `convmixer`, and how its programs call themselves."""

import io
import subprocess
import sys
from contextlib import redirect_stdout

import pytest

from keras_convmixer import __version__
from keras_convmixer.command_line import train
from keras_convmixer.command_line.convmixer import PROGRAMS, main
from tests.processes import ROOT, run_command


def printed_by(call, *arguments, **options):
    """What a program prints that ends with success."""
    printed = io.StringIO()
    with redirect_stdout(printed), pytest.raises(SystemExit) as stop:
        call(arguments, **options)
    assert not stop.value.code
    return printed.getvalue()


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_tells_its_programs(arguments):
    printed = printed_by(main, *arguments)
    assert printed.startswith("usage: convmixer COMMAND ...")
    for name, program in PROGRAMS.items():
        assert f"{name} " in printed
        assert program.summary in printed


def test_tells_its_version():
    assert printed_by(main, "--version") == f"convmixer {__version__}\n"


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_program_calls_itself_as_it_was_called(name):
    printed = printed_by(main, name, "--help")
    assert printed.split()[:3] == ["usage:", "convmixer", name]
    module = printed_by(main, name, "--help", prog="python -m keras_convmixer")
    assert module.startswith(f"usage: python -m keras_convmixer {name} ")


def test_a_program_of_the_checkout_has_its_own_name_again_afterwards():
    printed_by(main, "train", "--help")
    assert "convmixer train" not in printed_by(train.main, "--help")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("train.py",), "train.py"),
        (("-m", "export"), "python -m export"),
        (("-m", "export.classify"), "python -m export.classify"),
        (("-m", "keras_convmixer", "train"), "python -m keras_convmixer train"),
    ],
)
def test_the_programs_of_a_checkout_have_their_names(command, name):
    printed = run_command(*command, "--help").stdout
    assert printed.startswith(f"usage: {name} ")


def test_a_reader_that_wants_no_more_is_no_error():
    with subprocess.Popen(
        [sys.executable, "-m", "keras_convmixer", "list"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
