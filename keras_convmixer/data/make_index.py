"""Makes the index of an image folder: reads all files, chooses the parts."""

import hashlib
import sys
import warnings
from collections import Counter
from dataclasses import replace
from multiprocessing.pool import ThreadPool

import keras
import numpy as np
from PIL import Image

from keras_convmixer.data.decode import (
    apply_orientation,
    as_rgb,
    opened,
    orientation_of,
    read_file,
)
from keras_convmixer.data.duplicates import (
    HASHED_SIZE,
    check_duplicates,
    duplicate_groups,
    perceptual_hash,
)
from keras_convmixer.data.image_data import (
    HELD_OUT_SHARE,
    HELD_OUT_SHARE_BESIDE_TEST,
    split_indices,
)
from keras_convmixer.data.index import (
    HELD_OUT,
    TEST,
    TRAIN,
    UNREADABLE,
    abbreviate,
)
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import newline_on_error
from keras_convmixer.utils.processors import num_cpus

NAMED = 10  # Broken images that are named; of more, their number is given.


def make_index(root, classes, rows, source):
    """Reads every file once, and chooses what is held out where no folder does.

    Classes and rows are what `list_images` found of the source in the image
    folder `root`.

    Returns:
        A list of `IndexedImage`: those to train on, those held out, those of
        the test part, those that can't be read. The parts are in random order,
        so that some of a part has all classes.
    """
    readable, broken = describe_all(root, rows, source.broken_images)
    parts = {row.part: [] for row in rows}
    for row in readable:
        parts[row.part].append(row)
    check_counts(root, parts, classes)
    if HELD_OUT not in parts:
        parts |= hold_out(parts, source)
    check_duplicates(
        [row for part in parts.values() for row in part], source.duplicates
    )
    order = np.random.default_rng(source.seed).permutation
    mixed = [part[i] for part in parts.values() for i in order(len(part))]
    return mixed + broken


def describe_all(root, rows, broken_images):
    """Reads each image; names the broken ones, or raises.

    Returns:
        `(readable, broken)`: the rows with what `describe` says of them, and
        those that are now of the part "unreadable".
    """

    def described(row):
        try:
            return replace(row, **describe(root / row.file)), ""
        except UserError as error:
            return replace(row, part=UNREADABLE), str(error)

    readable, broken, reasons = [], [], []
    # An image can be odd in many ways that Pillow warns of.
    with warnings.catch_warnings(), ThreadPool(num_cpus()) as threads:
        warnings.simplefilter("ignore")
        bar = keras.utils.Progbar(len(rows), unit_name="image")
        with newline_on_error():
            for row, problem in threads.imap(described, rows, 16):
                if problem:
                    broken.append(row)
                    reasons.append(problem)
                else:
                    readable.append(row)
                bar.add(1)
    share = f"{len(broken)} of {len(rows)} images"
    if broken and broken_images == "error":
        raise UserError(f"{share} are broken. The first: {reasons[0]}")
    if broken:
        print(f"left out {share}:", file=sys.stderr)
    for text in reasons[:NAMED]:
        print(f"  {text}", file=sys.stderr)
    return readable, broken


def describe(path):
    """What the index says of an image, by the fields of `IndexedImage`.

    All of it is decoded, a JPEG file as a small image, which takes a fraction
    of the time and finds the same faults. It raises what `read_image` raises.
    """
    contents = read_file(path)
    with opened(path, contents) as image:
        width, height = image.size
        # A border that fills up a block of the JPEG file is not in the box.
        _, box = image.draft("L", HASHED_SIZE) or (None, None)
        rgb = as_rgb(image)
        orientation = orientation_of(image)
        small = rgb.resize(HASHED_SIZE, Image.Resampling.BILINEAR, box)
        return {
            "width": width,
            "height": height,
            "orientation": orientation,
            "bytes": len(contents),
            "digest": hashlib.blake2b(contents, digest_size=8).hexdigest(),
            "hash": perceptual_hash(apply_orientation(small, orientation)),
        }


def check_counts(root, parts, classes):
    """A UserError if a part lacks images; names the classes that one lacks."""
    least = 1 if HELD_OUT in parts else 2
    for part, rows in parts.items():
        counts = Counter(row.name for row in rows)
        few = [name for name in classes if counts[name] < least]
        if part == TRAIN and few:
            raise UserError(
                f"of the images to train on in {root} each class must have at "
                f"least {least}. Class {few[0]} has {counts[few[0]]}"
            )
        if not rows:
            raise UserError(f"{root}: no image of the {part} split can be read")
        if part != TRAIN and (missing := [n for n in classes if not counts[n]]):
            print(
                f"no images of {abbreviate(missing)} in {part}", file=sys.stderr
            )


def hold_out(parts, source):
    """The parts to train on and to hold out, of what is not tested."""
    rows = parts[TRAIN]
    share = HELD_OUT_SHARE_BESIDE_TEST if TEST in parts else HELD_OUT_SHARE
    groups = np.arange(len(rows))
    if source.duplicates == "keep-together":
        groups = duplicate_groups(rows)
    # One image stands for all of its group.
    first = np.unique(groups, return_index=True)[1]
    names = [rows[i].name for i in first]
    different = Counter(names)
    for name in {row.name for row in rows}:
        if different[name] < 2:
            raise UserError(
                "to keep duplicates together, each class must have two "
                f"different images. Class {name} has {different[name]}"
            )
    _, held_out = split_indices(names, source.seed, share)
    is_held_out = np.isin(groups, groups[first[held_out]])
    return {
        TRAIN: [rows[i] for i in np.flatnonzero(~is_held_out)],
        HELD_OUT: [
            replace(rows[i], part=HELD_OUT) for i in np.flatnonzero(is_held_out)
        ],
    }
