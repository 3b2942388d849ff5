"""A folder has one user, who finds nothing of a killed one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.files import (
    exclusive,
    move,
    replacing,
    temporary_folder,
)
from tests.processes import ROOT

USE = """
import sys
from keras_convmixer.utils.files import exclusive, temporary_folder

with exclusive(sys.argv[1]), temporary_folder(sys.argv[1]) as folder:
    (folder / "half").touch()
    print("has it", flush=True)
    sys.stdin.read()
"""
# What others keep in a run folder; some look a little like ours.
FOREIGN = (
    *(".git/config", ".dvc/config", ".ipynb_checkpoints/a.ipynb"),
    *(".gitignore", ".unfinished", ".123.model.keras", ".lock"),
    *(".keras_convmixer", ".keras_convmixer-notes.txt"),
    *(".keras_convmixer-12345678", ".keras_convmixer-mine/model.keras"),
)


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


@pytest.fixture
def foreign(tmp_path):
    """Files of others in the folder, with what they hold."""
    for name in FOREIGN:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    return {tmp_path / name: name for name in FOREIGN}


def files_in(folder):
    return {p: p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_a_second_user_is_refused_and_leaves_all_as_it_is(other_user, tmp_path):
    before = sorted(os.listdir(tmp_path))
    for _ in range(2):
        with (
            pytest.raises(UserError, match=f"another process uses {tmp_path}"),
            exclusive(tmp_path),
        ):
            pass
    assert sorted(os.listdir(tmp_path)) == before
    other_user.communicate()
    with exclusive(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


def test_a_killed_user_leaves_nothing_and_others_keep_all(
    other_user, tmp_path, foreign
):
    other_user.send_signal(signal.SIGKILL)
    other_user.wait()
    assert len(files_in(tmp_path)) == len(FOREIGN) + 2  # Half, and the lock.
    with exclusive(tmp_path):
        assert set(foreign) < set(files_in(tmp_path))
    assert files_in(tmp_path) == foreign


@pytest.mark.parametrize("kind", [str, Path])
def test_processes_of_one_number_have_different_temporary_folders(
    tmp_path, kind
):
    """As in two containers: here it is one process."""
    path = tmp_path / "model.keras"
    with replacing(kind(path)) as first:
        first.write_text("first")
        with replacing(kind(path)) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    with (
        temporary_folder(kind(tmp_path)) as first,
        temporary_folder(kind(tmp_path)) as second,
    ):
        assert first != second
    assert os.listdir(tmp_path) == ["model.keras"]


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "model.keras"
    path.write_text("old")
    with pytest.raises(IsADirectoryError), replacing(path) as temporary:
        temporary.parent.write_text("no file")
    assert files_in(tmp_path) == {path: "old"}


def test_a_folder_takes_the_place_of_another(tmp_path):
    for _ in range(2):
        with temporary_folder(tmp_path) as folder:
            (folder / "new").mkdir()
            (folder / "new" / "file").touch()
            move(folder / "new", tmp_path / "there")
    assert os.listdir(tmp_path) == ["there"]
    assert os.listdir(tmp_path / "there") == ["file"]


def test_the_lock_stays_with_a_folder_that_is_renamed(other_user, tmp_path):
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    with pytest.raises(UserError, match="another"), exclusive(moved):
        pass
    # Its temporary folder is no longer where it was made.
    other_user.communicate()
    tmp_path.mkdir()
    for folder in (moved, tmp_path):
        with exclusive(folder):
            pass


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), exclusive(tmp_path / "none"):
        pass
