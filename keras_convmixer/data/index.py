"""The index of an image folder: its files, their classes, their parts.

It is made once and kept in the run folder as `images.csv`, so that no file has
to be opened to know which images are held out.
"""

import csv
import io
import os
from dataclasses import dataclass

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.files import write_bytes

TRAIN, HELD_OUT, UNREADABLE = "train", "held_out", "unreadable"
PARTS = (TRAIN, HELD_OUT, UNREADABLE)
COLUMNS = ("file", "class", "part")
NAMED = 5  # Files that changed and are named; of more, their number is given.


@dataclass(frozen=True)
class IndexedImage:
    """A row of an index.

    Attributes:
        file: Path in the image folder, "CLASS/NAME.jpg".
        name: Name of the class.
        part: "train", "held_out" or "unreadable".
    """

    file: str
    name: str
    part: str


def write_index(path, index):
    """Writes a list of `IndexedImage` as a CSV file."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((row.file, row.name, row.part) for row in index)
    # Names of files are bytes: not all of them are UTF-8.
    write_bytes(path, text.getvalue().encode("utf-8", "surrogateescape"))


def read_index(path):
    """Reads what `write_index` wrote; opens no image.

    Returns:
        A list of `IndexedImage`.

    Raises:
        UserError: If it is something else.
    """
    with open(
        path, newline="", encoding="utf-8", errors="surrogateescape"
    ) as file:
        header, *rows = list(csv.reader(file)) or [()]
    if tuple(header) != COLUMNS:
        raise UserError(f"{path} must have the columns {', '.join(COLUMNS)}")
    for number, row in enumerate(rows, start=1):
        whole = len(row) == len(COLUMNS) and row[2] in PARTS
        if not whole or os.path.dirname(row[0]) != row[1]:
            raise UserError(
                f"row {number} of {path} must be CLASS/NAME, CLASS and one of "
                f"{', '.join(PARTS)}. Found: {','.join(row)}"
            )
    return [IndexedImage(*row) for row in rows]


def changes(index, files):
    """What is no longer as the index has it, in words; "" if nothing.

    Args:
        index: A list of `IndexedImage`.
        files: Paths in the image folder of the images that are there now.
    """
    before, now = {row.file for row in index}, set(files)
    lists = {"vanished": before - now, "added": now - before}
    return ". ".join(
        f"{kind}: {named(sorted(files))}"
        for kind, files in lists.items()
        if files
    )


def named(files):
    """The first of some names, and how many more there are."""
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return ", ".join(files[:NAMED]) + more
