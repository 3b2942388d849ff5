"""The packages as `pip install` lays them out, without installing them."""

import os
import shutil
import subprocess
import sys

from tests.processes import ROOT


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
    """Runs Python with the packages of `lay_out_installed`, and no others."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(site), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done
