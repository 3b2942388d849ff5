"""Which images a folder holds, of which classes and parts; none is opened."""

import os
from pathlib import Path

from keras_convmixer.data.decode import SUFFIXES
from keras_convmixer.data.index import HELD_OUT, TEST, TRAIN, IndexedImage
from keras_convmixer.utils.checks import UserError

# The parts that folders of these names are.
FOLDERS = {
    "train": TRAIN,
    "val": HELD_OUT,
    "validation": HELD_OUT,
    "test": TEST,
}


def list_images(source):
    """The images of a folder; the names of its folders are the classes.

    If they are "train" and other names of parts alone, each holds the folders
    of the classes. Names that begin with a dot, and files that don't end as
    images do, are passed over.

    Args:
        source: A `Source` with an image folder.

    Returns:
        `(classes, rows)`: the names of the classes, which are those to train
        on, and an `IndexedImage` for each image, of which nothing is known but
        its size in bytes. Where no folder says what is held out, "train" is
        the part of all that is not tested.

    Raises:
        UserError: If there are not two classes or more, or a part has others.
    """
    root = Path(source.image_folder)
    places = part_places(root, source.test_folder)
    classes = folder_names(root / places[TRAIN])
    if len(classes) < 2:
        raise UserError(
            f"image_folder {root / places[TRAIN]} must have a folder of images "
            f"for each of two classes or more. Found: {classes}"
        )
    for name in classes:
        if not name.isprintable():
            raise UserError(f"{name!r} can't be the name of a class")
    rows = []
    for part, place in places.items():
        check_names(root / place, classes)
        images = [
            IndexedImage(f"{place}{name}/{file}", name, part, bytes=size)
            for name in classes
            for file, size in image_files(root / place / name)
        ]
        if not images:
            raise UserError(f"{root / place} must hold images. Found: none")
        rows += images
    return classes, rows


def check_names(folder, classes):
    """A UserError if a part has a folder that is no class."""
    unknown = sorted(set(folder_names(folder)) - set(classes))
    if unknown:
        raise UserError(
            f"{folder} must have folders of the classes to train on only. "
            f"Unknown: {', '.join(unknown)}"
        )


def part_places(root, test_folder=None):
    """Where the classes of each part are: "", "train/" or "../test/".

    Args:
        root: The image folder.
        test_folder: That of the test part, if it is elsewhere.

    Returns:
        Paths from the image folder, by the part.
    """
    names = folder_names(root, "image_folder")
    places = {TRAIN: ""}
    if "train" in names and set(names) <= set(FOLDERS):
        if {"val", "validation"} <= set(names):
            raise UserError(f"{root} must have val or validation, not both")
        places = {
            part: f"{name}/" for name, part in FOLDERS.items() if name in names
        }
    if test_folder is not None:
        if TEST in places:
            raise UserError(
                f"{root} has a test part, so there can't be another. "
                f"Received: {test_folder}",
                argument="test_folder",
            )
        folder_names(Path(test_folder), "test_folder")
        folder, other = Path(test_folder).resolve(), root.resolve()
        if folder.is_relative_to(other) or other.is_relative_to(folder):
            raise UserError(
                "test_folder must not be in image_folder, nor the other way "
                f"round. Received: {test_folder} and {root}",
                argument="test_folder",
            )
        path = os.path.relpath(folder, other)
        places[TEST] = f"{Path(path).as_posix()}/"
    return places


def folder_names(folder, argument=None):
    """The names of the folders in a folder, in order.

    Raises:
        UserError: If it is an argument, and no folder.
    """
    if argument and not folder.is_dir():
        raise UserError(
            f"{argument} must be a folder. Received: {folder}",
            argument=argument,
        )
    return sorted(
        entry.name
        for entry in os.scandir(folder)
        if entry.is_dir() and not entry.name.startswith(".")
    )


def image_files(folder):
    """Names and bytes of the images in a folder, in order; or none."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(
            (entry.name, size_of(entry))
            for entry in entries
            if entry.name.lower().endswith(SUFFIXES)
            and not entry.name.startswith(".")
        )


def size_of(entry):
    """A file's bytes; 0 of what is no file."""
    try:
        return entry.stat().st_size if entry.is_file() else 0
    except OSError:  # A link to nowhere, or to itself.
        return 0
