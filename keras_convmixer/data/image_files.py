"""The image files below a folder.

One walk over the names; only files whose suffix says nothing are opened, for
their first bytes. Names that begin with a dot, and what systems leave in
folders, are passed over without a word.
"""

import os
from collections import Counter
from pathlib import Path

from keras_convmixer.data.image_types import START_BYTES, SUFFIXES, is_image
from keras_convmixer.utils.text import printable

SYSTEM_NAMES = (
    *("__macosx", "@eadir", "$recycle.bin", "system volume information"),
    *("lost+found", "desktop.ini", "thumbs.db", "ehthumbs.db"),
)


def image_files(folder, skipped):
    """The images at any depth below a folder, in order.

    Folders that are links are followed, but none is read twice, nor is one
    that the folder itself is in: links may run in circles.

    Args:
        folder: A `Path`.
        skipped: A `Counter`, to which the suffixes of the files are added that
            are not images.

    Returns:
        A list of (path from the folder, bytes).
    """
    found, places = [], [""]
    above = folder.resolve().parents, folder.parent.resolve().parents
    read = {identity(path) for paths in above for path in paths}
    read.add(identity(folder.parent))
    while places:
        place = places.pop()
        if (this := identity(folder / place)) in read:
            skipped["link to a folder that was read"] += 1
            continue
        read.add(this)
        below, is_empty = [], True
        with os.scandir(folder / place) as entries:
            for entry in entries:
                is_empty = False
                path = place + entry.name
                if is_passed_over(entry.name):
                    continue
                if is_folder(entry):
                    below.append(f"{path}/")
                elif has_image_suffix(path) or starts_as_image(entry):
                    found.append((path, size_of(entry)))
                else:
                    skipped[shown_suffix(path)] += 1
        places += sorted(below, reverse=True)
        # What once was an image, perhaps: it will be named as a broken one.
        if is_empty and has_image_suffix(place[:-1]):
            found.append((place[:-1], 0))
    return sorted(found)


def holds_images(folder):
    return bool(image_files(folder, Counter()))


def identity(folder):
    """What a folder and all links to it have in common."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def is_passed_over(name):
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def has_image_suffix(name):
    return name.lower().endswith(SUFFIXES)


def shown_suffix(path):
    """A file's suffix as it can be printed."""
    suffix = Path(path).suffix.lower()
    if not suffix:
        return "without suffix"
    return printable(suffix)


def is_folder(entry):
    """Whether an entry of `os.scandir` is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # A link to itself.
        return False


def is_file(entry):
    try:
        return entry.is_file()
    except OSError:
        return False


def starts_as_image(entry):
    """Whether the first bytes of a file are those of an image."""
    if not is_file(entry):
        return False
    try:
        with open(entry, "rb") as file:
            return is_image(file.read(START_BYTES))
    except OSError:
        return False


def size_of(entry):
    """A file's bytes; 0 of what is no file, such as a dangling link."""
    return entry.stat().st_size if is_file(entry) else 0
