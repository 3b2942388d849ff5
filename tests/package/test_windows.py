"""Nothing needs the modules that Windows hasn't."""

import os
import subprocess
import sys

import pytest

from tests.helpers import source_file
from tests.processes import ROOT

MISSING = ("fcntl", "resource")

IMPORT_ALL = """
import importlib
import pathlib
import sys

for folder in ("keras_convmixer", "export"):
    for path in sorted(pathlib.Path(folder).rglob("*.py")):
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        importlib.import_module(name)
        print(name)
"""
LOAD = """
import sys
from tests.helpers import small

print(small(weights=sys.argv[1]).get_layer("stem_conv").kernel.shape)
"""


@pytest.fixture
def run_without(tmp_path):
    """Runs Python where those modules can't be imported, nor by a child."""
    folder = tmp_path / "missing"
    folder.mkdir()
    for name in MISSING:
        message = f"No module named {name!r}"
        path = folder / f"{name}.py"
        path.write_text(f"raise ModuleNotFoundError({message!r})\n")

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
            capture_output=True,
            text=True,
        )

    for name in MISSING:
        assert run("-c", f"import {name}").returncode == 1
    return run


@pytest.mark.slow
def test_every_module_can_be_imported(run_without):
    done = run_without("-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr[-3000:]
    imported = done.stdout.split()
    assert {"export.tflite", "keras_convmixer.utils.files"} < set(imported)


@pytest.mark.slow
def test_a_weights_file_can_be_read(run_without, tmp_path):
    done = run_without("-c", LOAD, source_file(tmp_path, ".keras"))
    assert done.stdout.strip() == "(4, 4, 3, 8)", done.stderr[-3000:]
