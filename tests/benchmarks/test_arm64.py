"""The emulated ARM core of `benchmarks.arm64`."""

import shutil

import keras
import pytest

from benchmarks import arm64
from benchmarks.emulated.core import PROGRAMS, count_instructions
from export.converter import run_converter


def test_a_program_that_is_missing_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as stopped:
        arm64.main(["--folder", str(tmp_path / "core")])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "apt-get install qemu-user" in line
    assert not (tmp_path / "core").exists()


def test_instructions_are_those_of_the_work(tmp_path):
    """Twice the products take twice the instructions, and each run as many."""
    is_installed = (arm64.FOLDER / "packages").exists()
    if not is_installed or not all(map(shutil.which, PROGRAMS)):
        pytest.skip("needs the core that `python -m benchmarks.arm64` installs")
    files = []
    for width in (64, 128):
        image = keras.Input((64, 64, 64), name="image")
        model = keras.Model(image, keras.layers.Conv2D(width, 1)(image))
        files.append(tmp_path / f"{width}.tflite")
        files[-1].write_bytes(run_converter(model))
    half, all_, again = count_instructions([*files, files[1]], arm64.FOLDER)
    assert all_ == pytest.approx(2 * half, rel=0.05)
    assert again == pytest.approx(all_, rel=0.001)
