"""Fixtures: real runs, made once by the real commands."""

import os
import shutil

import keras
import numpy as np
import pytest
from filelock import FileLock

from export import FORMATS
from tests.helpers import run_command


@pytest.fixture(autouse=True)
def same_network_in_any_order():
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def images():
    """Random pixels."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (20, 16, 16, 3)).astype("uint8")


def made_once(tmp_path_factory, name, make):
    """A folder that one of the test processes makes and all of them use."""
    root = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        root = root.parent
    with FileLock(root / f"{name}.lock"):
        made = root / f"{name}.made"
        if not made.exists():
            make(root / name)
            made.touch()
    return root / name


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    """The folder of a training on digits, by the command of the README."""

    def make(run):
        done = run_command("train.py", "--epochs", 6, "--run", run)
        (run / "stdout.txt").write_text(done.stdout)

    return made_once(tmp_path_factory, "digits", make)


@pytest.fixture(scope="session")
def digits_export(tmp_path_factory, digits_run):
    """Of a copy of it: all formats."""

    def make(folder):
        run = shutil.copytree(digits_run, folder / "digits")
        formats = ("--formats", *FORMATS, "--epochs", 1)
        run_command("-m", "export", run, *formats)

    folder = made_once(tmp_path_factory, "exported", make)
    return folder / "digits" / "export"
