"""Which images a folder holds, of which classes and parts."""

import itertools
import os
from collections import Counter
from pathlib import Path

from keras_convmixer.data.image_files import (
    has_image_suffix,
    image_files,
    is_passed_over,
)
from keras_convmixer.data.index import (
    HELD_OUT,
    TEST,
    TRAIN,
    IndexedImage,
    abbreviate,
)
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.text import is_one_line, normalize_class, printable

# The parts that folders of these names are, in any case: the names that Hugging
# Face's datasets know, and our own of the held-out part.
PART_NAMES = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev", HELD_OUT), HELD_OUT),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), TEST),
}


def list_images(source):
    """The images of a folder; the names of its folders are the classes.

    The images of a class are at any depth below its folder. If the folder has
    parts, as `find_parts` knows them, each holds the folders of the classes.

    Args:
        source: A `Source` with an image folder.

    Returns:
        `(classes, rows, notes)`: the names of the classes, which are those to
        train on; an `IndexedImage` for each image, of which nothing is known
        but its size in bytes; and lines that say what is skipped. Where no
        folder says what is held out, "train" is the part of all that is not
        tested.

    Raises:
        UserError: If there are not two classes or more, or a part has others.
    """
    root = Path(source.image_folder)
    places, ignored = find_parts(root)
    if TRAIN not in places:
        raise UserError(
            f"image_folder {root} must have a folder train. Found: "
            f"{', '.join(place[:-1] for place in places.values())}"
        )
    if source.test_folder is not None:
        places[TEST] = test_place(root, places, source.test_folder)
    classes = list(class_folders(root / places[TRAIN]))
    if len(classes) < 2:
        raise UserError(
            f"image_folder {root / places[TRAIN]} must have a folder of images "
            f"for each of two classes or more. Found: {classes}"
        )
    rows, skipped = [], Counter()
    for part, place in places.items():
        folders = class_folders(root / place)
        if unknown := sorted(set(folders) - set(classes)):
            raise UserError(
                f"{root / place} must only have folders of training classes. "
                f"Unknown: {', '.join(unknown)}"
            )
        images = [
            IndexedImage(f"{place}{folder}/{file}", name, part, bytes=size)
            for name, folder in folders.items()
            for file, size in image_files(root / place / folder, skipped)
        ]
        if not images:
            raise UserError(f"{root / place} must hold images. Found: none")
        rows += images
    around = {root, *(root / place for place in places.values())}
    return classes, rows, skip_notes(skipped, ignored, around)


def find_parts(root):
    """Where the classes of each part are: "" or "train/", for instance.

    Returns:
        `(places, ignored)`: the places in the image folder `root`, by the
        part; only "" for the part to train on where the folder has no parts;
        and the folders that are ignored, since they are beside parts.

    Raises:
        UserError: If a part has two folders, or what is meant can't be known.
    """
    parts, others = {part: [] for part in PART_NAMES.values()}, []
    check_folder("image_folder", root)
    for name in folder_names(root):
        part = PART_NAMES.get(name.casefold())
        (others if part is None else parts[part]).append(name)
    parts = {part: names for part, names in parts.items() if names}
    if not holds_parts(root, parts, others):
        return {TRAIN: ""}, []
    for names in parts.values():
        if len(names) > 1:
            raise UserError(f"{root} must have {' or '.join(names)}, not both")
    return {part: f"{name}/" for part, (name,) in parts.items()}, others


def holds_parts(root, parts, others):
    """Whether folders with the names of parts are parts, and not classes.

    `parts` has their names by the part, `others` those of the folders beside
    them. Raises a UserError if that can't be known.
    """
    if not parts:
        return False
    if TRAIN in parts and not others:
        return True
    # A part holds folders, a class that has its name holds images.
    decisive = parts.get(TRAIN) or itertools.chain(*parts.values())
    if not all(folder_names(root / name) for name in decisive):
        return False
    with_images = [
        name for name in others if image_files(root / name, Counter())
    ]
    if with_images and len(parts) == 1:
        if TRAIN not in parts:
            return False
        (name,) = parts[TRAIN][:1]
        raise UserError(
            f"{root / name} may be the training split, or a class beside "
            f"{abbreviate(with_images)}. If it is the split, move the others "
            "elsewhere; if it is a class, rename it"
        )
    return True


def test_place(root, places, test_folder):
    """Where a test part is that is elsewhere, from the image folder."""
    if TEST in places:
        raise UserError(
            f"{root} has a test split already. Received: {test_folder}",
            argument="test_folder",
        )
    check_folder("test_folder", Path(test_folder))
    folder, other = Path(test_folder).resolve(), root.resolve()
    if folder.is_relative_to(other) or other.is_relative_to(folder):
        raise UserError(
            "test_folder must not be in image_folder, nor the other way "
            f"round. Received: {test_folder} and {root}",
            argument="test_folder",
        )
    return f"{Path(os.path.relpath(folder, other)).as_posix()}/"


def class_folders(folder):
    """The folders of the classes: their names by the class, in order.

    A class is the folder's name in its composed Unicode form.

    Raises:
        UserError: If a name can't be that of a class, or two are the same.
    """
    folders = {}
    for name in folder_names(folder):
        if not is_one_line(name):
            raise UserError(
                f"{name!r} can't be the name of a class: it must be text "
                "without control characters and line breaks"
            )
        composed = normalize_class(name)
        if folders.setdefault(composed, name) != name:
            raise UserError(
                f"{folder} has two folders of class {composed!r}, whose names "
                "differ in their Unicode form only: move the images into one"
            )
    return dict(sorted(folders.items()))


def check_folder(argument, folder):
    if not folder.is_dir():
        raise UserError(
            f"{argument} must be a folder. Received: {folder}",
            argument=argument,
        )


def folder_names(folder):
    """The names of the folders in a folder, in order."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if not is_passed_over(entry.name) and os.path.isdir(entry)
        )


def skip_notes(skipped, ignored, folders):
    """Lines that say what of an image folder is not used.

    Args:
        skipped: How many files are skipped, by their suffix.
        ignored: Names of folders beside parts.
        folders: Those that hold parts or classes, and should hold no images.
    """
    notes = []
    if ignored:
        names = [printable(name) for name in ignored]
        notes.append(
            f"ignored folders that are not a split: {abbreviate(names)}"
        )
    loose = sorted(
        printable(file)
        for folder in folders
        for file in os.listdir(folder)
        if has_image_suffix(file)
        and not is_passed_over(file)
        and (folder / file).is_file()
    )
    if loose:
        notes.append(
            f"skipped {len(loose):,} images outside the class folders: "
            f"{abbreviate(loose)}"
        )
    if skipped:
        kinds = [f"{n:,} {suffix}" for suffix, n in skipped.most_common()]
        notes.append(
            f"skipped {skipped.total():,} files that are not images: "
            f"{abbreviate(kinds)}"
        )
    return notes
