"""Executes the tutorial; as a program it saves what came out.

python -m tests.docs.tutorial
"""

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

from tests.docs.installed import lay_out_installed
from tests.processes import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.ipynb"
PICTURE = ROOT / "docs" / "images" / "dahlia.jpg"
# Left, top, right and bottom of the photo and of its map in what is drawn.
PHOTO, MAP = (4, 218, 266, 392), (544, 218, 806, 392)


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


def photo_and_map(heat_maps):
    """The README's picture: the dahlia, and the map of its class beside it."""
    picture = Image.new("RGB", (532, 174), "white")
    with Image.open(heat_maps) as drawn:
        for left, box in ((0, PHOTO), (270, MAP)):
            picture.paste(drawn.crop(box), (left, 0))
    return picture


def main():
    with tempfile.TemporaryDirectory() as folder:
        notebook, work = execute_tutorial(Path(folder))
        photo_and_map(work / "heat_maps.jpg").save(PICTURE, quality=92)
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
