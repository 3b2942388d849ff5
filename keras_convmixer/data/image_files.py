"""The image files below a folder.

One walk over the names; only files whose suffix says nothing are opened, for
their first bytes. Names that begin with a dot, and what systems leave in
folders, are passed over without a word.
"""

import os
import re
from pathlib import Path

from keras_convmixer.utils.text import printable

SYSTEM_NAMES = (
    *("__macosx", "@eadir", "$recycle.bin", "system volume information"),
    *("lost+found", "desktop.ini", "thumbs.db", "ehthumbs.db"),
)

# Taken for images by their name alone; what is in them decides how they are
# read.
SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe"),
    *(".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"),
)
START_BYTES = 32
# With the sizes of the headers that there are: many texts begin with BM.
BMP = re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)
SIGNATURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF.{4}WEBP"
    rb"|II[*+]\0|MM\0[*+]|P[1-6][\s#]"
    rb"|\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n",
    re.DOTALL,
)
# Brands of the ISO container that MP4 has too.
AVIF = re.compile(rb".{4}ftyp.*avi[fs]", re.DOTALL)
HEIC = re.compile(rb".{4}ftyp.*(hei[cmsx]|hev[cmsx]|mif1|msf1)", re.DOTALL)


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
                try:
                    is_folder, is_file = entry.is_dir(), entry.is_file()
                except OSError:  # A link to itself.
                    is_folder = is_file = False
                if is_folder:
                    below.append(f"{path}/")
                elif has_image_suffix(path) or (
                    is_file and starts_as_image(entry)
                ):
                    # What is no file, such as a dangling link, has 0 bytes.
                    size = entry.stat().st_size if is_file else 0
                    found.append((path, size))
                else:
                    suffix = Path(path).suffix.lower()
                    skipped[printable(suffix) or "without suffix"] += 1
        places += sorted(below, reverse=True)
        # What once was an image, perhaps: it will be named as a broken one.
        if is_empty and has_image_suffix(place[:-1]):
            found.append((place[:-1], 0))
    return sorted(found)


def identity(folder):
    """What a folder and all links to it have in common."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def is_passed_over(name):
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def has_image_suffix(name):
    return name.lower().endswith(SUFFIXES)


def starts_as_image(file):
    """Whether the first bytes of a file are those of an image."""
    try:
        with open(file, "rb") as stream:
            start = stream.read(START_BYTES)
    except OSError:
        return False
    return any(
        pattern.match(start) for pattern in (SIGNATURES, BMP, AVIF, HEIC)
    )


def missing_decoder(start):
    """What to install to read a file that Pillow can't read, "" for nothing."""
    if AVIF.match(start):
        return "AVIF needs Pillow 11.3 or later"
    if HEIC.match(start):
        return "HEIC needs pip install 'keras-convmixer[heic]'"
    return ""
