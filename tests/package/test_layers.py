"""The contracts of pyproject.toml catch an import that breaks them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("keras_convmixer.utils.checks", "keras_convmixer.training.recipes"),
        ("keras_convmixer.features", "keras_convmixer.applications"),
        ("keras_convmixer.variants", "export.tflite"),
        ("keras_convmixer.features", "keras_convmixer.weights.hub"),
    ],
    ids=["upward", "sideways", "export", "behind_the_door"],
)
def test_an_import_against_the_arrows_is_named(importer, imported, tmp_path):
    found = contracts_broken_by(importer, imported, tmp_path)
    assert f"{importer} -> {imported}" in found


def test_a_circle_is_named(tmp_path):
    # Which imports the first one already.
    modules = ("keras_convmixer.utils.checks", "keras_convmixer.utils.files")
    found = contracts_broken_by(*modules, tmp_path)
    assert "No cycles are allowed in keras_convmixer.utils" in found


def contracts_broken_by(importer, imported, folder):
    """What import-linter says of an import that is added to the code."""
    for package in ("keras_convmixer", "export"):
        ignore = shutil.ignore_patterns("node_modules", "__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", folder)
    file = Path(folder, *importer.split(".")).with_suffix(".py")
    file.write_text(f"{file.read_text()}\nimport {imported}\n")
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 1
    return " ".join(done.stdout.split())
