"""Executes the notebooks of the docs; as a program it saves the outputs.

python -m tests.docs.notebooks           # all of them
python -m tests.docs.notebooks tutorial  # docs/tutorial.ipynb
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

from tests.docs.installed import lay_out_installed
from tests.processes import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.ipynb"
FINE_TUNING = ROOT / "docs" / "fine_tuning.ipynb"
NOTEBOOKS = (TUTORIAL, FINE_TUNING)
# The README's photo and heat map, which the tutorial draws.
PICTURE = ROOT / "docs" / "images" / "dahlia.jpg"
# Left, top, right and bottom of the photo and of its map in what is drawn.
PHOTO, MAP = (4, 218, 266, 392), (544, 218, 806, 392)
STYLE = re.compile(r"\x1b\[\d*m")  # Of a terminal: bold, green.


def execute(path, folder):
    """Runs every cell of a notebook in an empty folder.

    Returns:
        `(notebook, folder)`: the notebook with its new outputs, and the
        folder with the files that it wrote.
    """
    site = lay_out_installed(folder / "site")
    work = folder / "work"
    work.mkdir()
    client = NotebookClient(
        nbformat.read(path, as_version=4),
        kernel_name="python3",
        timeout=None,
        coalesce_streams=True,  # Of a progress bar, only its end.
        resources={"metadata": {"path": str(work)}},
    )
    # An open notebook uses its own Matplotlib backend.
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    notebook = client.execute(env={**environment, "PYTHONPATH": str(site)})
    return notebook, work


def printed(notebook):
    """All that the cells printed, as one string."""
    return "".join(
        output.get("text", "")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.get("name") == "stdout"
    )


def photo_and_map(heat_maps):
    """The README's picture: the dahlia, and the map of its class beside it."""
    picture = Image.new("RGB", (532, 174), "white")
    with Image.open(heat_maps) as drawn:
        for left, box in ((0, PHOTO), (270, MAP)):
            picture.paste(drawn.crop(box), (left, 0))
    return picture


def clean(cell):
    """Keeps of the outputs what a reader would want to see."""
    cell.metadata = {}  # When it was run.
    if cell.cell_type != "code":
        return
    # TensorFlow's messages about the machine are left out.
    cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    for output in cell.outputs:
        if output.output_type == "stream":
            output.text = STYLE.sub("", output.text)


def main(names):
    for path in NOTEBOOKS:
        if names and path.stem not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            notebook, work = execute(path, Path(folder))
            if path == TUTORIAL:
                picture = photo_and_map(work / "heat_maps.jpg")
                picture.save(PICTURE, quality=92)
        for cell in notebook.cells:
            clean(cell)
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main(sys.argv[1:])
