"""The packages as `pip install` lays them out, without installing them."""

import shutil

from tests.processes import ROOT, Command, checked


def lay_out_installed(folder):
    """Copies the sources as the wheel has them.

    The folder `export` of a checkout is `keras_convmixer.export` there
    (`package-dir` in pyproject.toml).

    Returns:
        `folder`, for `PYTHONPATH`.
    """
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    package = folder / "keras_convmixer"
    shutil.copytree(ROOT / "keras_convmixer", package, ignore=ignored)
    shutil.copytree(ROOT / "export", package / "export", ignore=ignored)
    return folder


def run_installed(site, *arguments, cwd):
    """Runs Python with the packages of `lay_out_installed` in front."""
    with Command(*arguments, cwd=cwd, PYTHONPATH=str(site)) as command:
        return checked(command.finish())
