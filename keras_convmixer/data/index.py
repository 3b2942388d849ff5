"""The index of an image folder: its files, their classes, their parts.

It is made once and kept in the run folder as `images.csv`, so that no file has
to be opened to know which images are held out.
"""

import csv
import dataclasses
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.files import csv_writer
from keras_convmixer.utils.text import normalize_class
from keras_convmixer.utils.types import StrPath

TRAIN, HELD_OUT, TEST = "train", "held_out", "test"
UNREADABLE = "unreadable"
PARTS = (TRAIN, HELD_OUT, TEST, UNREADABLE)
COLUMNS = (
    *("file", "class", "part", "width", "height"),
    *("orientation", "bytes", "digest", "hash"),
)
NAMED = 5  # Names that are given; of more, their number is.


@dataclass(frozen=True)
class IndexedImage:
    """A row of an index.

    Attributes:
        file: Path from the image folder: "CLASS/NAME.jpg",
            "train/CLASS/NAME.jpg", or of a test folder elsewhere
            "../FOLDER/CLASS/NAME.jpg"; there may be folders below the class.
        name: Name of the class.
        part: "train", "held_out", "test" or "unreadable".
        width, height: Of the stored image, before EXIF rotation, in pixels.
        orientation: EXIF's, from 1 (upright) to 8.
        bytes: The file's size.
        digest: Of the file's contents, 16 hexadecimal digits.
        hash: Of what the image looks like, 64 hexadecimal digits.
    """

    file: str
    name: str
    part: str
    width: int = 0
    height: int = 0
    orientation: int = 1
    bytes: int = 0
    digest: str = ""
    hash: str = ""


def write_index(path: StrPath, index: Iterable[IndexedImage]) -> None:
    """Writes a list of `IndexedImage` as a CSV file."""
    # Ends of lines by which both kinds of them are quoted in names of files.
    with csv_writer(path, "\r\n") as writer:
        writer.writerow(COLUMNS)
        writer.writerows(dataclasses.astuple(row) for row in index)


def read_index(path: StrPath) -> list[IndexedImage]:
    """Reads what `write_index` wrote; a UserError for anything else."""
    with open(
        path, newline="", encoding="utf-8", errors="surrogateescape"
    ) as lines:
        header, *rows = list(csv.reader(lines)) or [[]]
    if tuple(header) != COLUMNS:
        raise UserError(f"{path} must have the columns {', '.join(COLUMNS)}")
    index = []
    for number, row in enumerate(rows, start=1):
        try:
            file, name, part, *numbers, digest, hash = row
            width, height, orientation, size = map(int, numbers)
            name = normalize_class(name)
            folders = normalize_class(os.path.dirname(file)).split("/")
            whole = part in PARTS and name in folders
        except ValueError:
            whole = False
        if not whole:
            raise UserError(
                f"row {number} of {path} must be CLASS/NAME, CLASS, one of "
                f"{', '.join(PARTS)}, and its numbers. Found: {','.join(row)}"
            )
        sizes = width, height, orientation, size
        index.append(IndexedImage(file, name, part, *sizes, digest, hash))
    return index


def changes(index: Iterable[IndexedImage], rows: Iterable[IndexedImage]) -> str:
    """What is no longer as the index has it, in words; "" if nothing.

    Of the `rows`, those of the images that are there now, only the files and
    their sizes are looked at.
    """
    before = {row.file: row.bytes for row in index}
    files = {row.file: row.bytes for row in rows}
    both = set(before) & set(files)
    lists = {
        "vanished": set(before) - both,
        "added": set(files) - both,
        "changed": {file for file in both if before[file] != files[file]},
    }
    return ". ".join(
        f"{kind}: {abbreviate(sorted(files))}"
        for kind, files in lists.items()
        if files
    )


def abbreviate(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
