"""The contracts of pyproject.toml catch an import that breaks them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

WRONG = {
    "upward": ("utils.checks", "keras_convmixer.training.recipes"),
    "sideways": ("features", "keras_convmixer.applications"),
    "export": ("variants", "export.tflite"),
    "behind the door": ("features", "keras_convmixer.weights.hub"),
}
# `files` imports `checks` already.
CIRCLE = ("utils.checks", "keras_convmixer.utils.files")


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """What import-linter says of imports that are added to the code."""
    folder = tmp_path_factory.mktemp("layers")
    for package in ("keras_convmixer", "export"):
        ignore = shutil.ignore_patterns("node_modules", "__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for importer, imported in [*WRONG.values(), CIRCLE]:
        parts = f"keras_convmixer.{importer}".split(".")
        with folder.joinpath(*parts).with_suffix(".py").open("a") as file:
            file.write(f"\nimport {imported}\n")
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 1
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("way", WRONG)
def test_an_import_against_the_arrows_is_named(way, complaints):
    importer, imported = WRONG[way]
    assert f"keras_convmixer.{importer} -> {imported}" in complaints


def test_a_circle_is_named(complaints):
    assert "No cycles are allowed in keras_convmixer.utils" in complaints
