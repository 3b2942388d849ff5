"""Executes the tutorial; as a program it saves what came out.

python -m tests.docs.tutorial
"""

import os
import shutil
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.docs.installed import lay_out_installed
from tests.processes import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.ipynb"
PICTURE = ROOT / "docs" / "images" / "heat_maps.jpg"


def execute_tutorial(folder):
    """Runs every cell in an empty folder.

    Returns:
        `(notebook, folder)`: the notebook with its new outputs, and the
        folder with the files that it wrote.
    """
    site = lay_out_installed(folder / "site")
    work = folder / "work"
    work.mkdir()
    client = NotebookClient(
        nbformat.read(TUTORIAL, as_version=4),
        kernel_name="python3",
        timeout=None,
        resources={"metadata": {"path": str(work)}},
    )
    # A notebook that is opened has a backend of its own for its pictures.
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    notebook = client.execute(env={**environment, "PYTHONPATH": str(site)})
    return notebook, work


def main():
    with tempfile.TemporaryDirectory() as folder:
        notebook, work = execute_tutorial(Path(folder))
        shutil.copy(work / "heat_maps.jpg", PICTURE)
    for cell in notebook.cells:
        cell.metadata = {}  # When it was run.
        if cell.cell_type == "code":
            # TensorFlow's messages about the machine are left out.
            cell.outputs = [
                output
                for output in cell.outputs
                if output.get("name") != "stderr"
            ]
    nbformat.write(notebook, TUTORIAL)


if __name__ == "__main__":
    main()
