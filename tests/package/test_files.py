"""A folder has one user, who finds nothing of a killed one."""

import os
import signal
import subprocess
import sys

import pytest

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.files import sole_use
from tests.processes import ROOT

USE = """
import sys
from keras_convmixer.utils.files import sole_use

with sole_use(sys.argv[1]):
    print("has it", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_user(tmp_path):
    """A process that uses a folder until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", USE, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout.readline() == "has it\n"
        yield process


def test_a_second_user_is_refused_and_leaves_all_as_it_is(other_user, tmp_path):
    (tmp_path / ".unfinished").mkdir()
    before = sorted(os.listdir(tmp_path))
    for _ in range(2):
        with (
            pytest.raises(UserError, match=f"another process uses {tmp_path}"),
            sole_use(tmp_path),
        ):
            pass
    assert sorted(os.listdir(tmp_path)) == before
    other_user.communicate()
    with sole_use(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


def test_a_killed_user_leaves_nothing(other_user, tmp_path):
    (tmp_path / ".unfinished").write_text("half")
    (tmp_path / "whole").write_text("whole")
    other_user.send_signal(signal.SIGKILL)
    other_user.wait()
    with sole_use(tmp_path):
        assert not (tmp_path / ".unfinished").exists()
    assert os.listdir(tmp_path) == ["whole"]


def test_the_lock_stays_with_a_folder_that_is_renamed(other_user, tmp_path):
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    with pytest.raises(UserError, match="another"), sole_use(moved):
        pass
    other_user.communicate()
    tmp_path.mkdir()
    for folder in (moved, tmp_path):
        with sole_use(folder):
            pass


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), sole_use(tmp_path / "none"):
        pass
