"""A folder of photographs, read into an index and into pictures."""

import hashlib
import os
import sys
import warnings
from collections import Counter
from dataclasses import replace
from multiprocessing.pool import ThreadPool
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_convmixer.data.decode import describe, read_image
from keras_convmixer.data.folders import list_images
from keras_convmixer.data.image_data import (
    HELD_OUT_SHARE,
    HELD_OUT_SHARE_BESIDE_TEST,
    ImageData,
    split_indices,
)
from keras_convmixer.data.index import (
    HELD_OUT,
    TEST,
    TRAIN,
    UNREADABLE,
    changes,
    named,
)
from keras_convmixer.data.pictures import Pictures
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import own_lines

NAMED = 10  # Broken images that are named; of more, their number is given.


def load_image_folder(source, image_size, index=None):
    """The images of a folder, as `list_images` understands it.

    Without an index every file is read once; with one, none is before it is
    used.

    Args:
        source: A `Source`.
        image_size: Height and width that the images get, in pixels.
        index: The list of `IndexedImage` that an earlier call made.

    Returns:
        An `ImageData`.

    Raises:
        UserError: If there are not two classes or more with enough images
            each, an image is broken and that is an error, or the folder's
            files are not those of the index.
    """
    root = Path(source.image_folder)
    classes, rows = list_images(source)
    if index is None:
        index = make_index(root, classes, rows, source)
    elif changed := changes(index, rows):
        raise UserError(
            f"{root.resolve().name} has changed since it was trained on, so "
            f"what was held out is unknown. {changed}"
        )

    label_of = {name: label for label, name in enumerate(classes)}
    parts = {
        part: [row for row in index if row.part == part]
        for part in (TRAIN, HELD_OUT, TEST)
    }

    def part(name):
        labels = [label_of[row.name] for row in parts[name]]
        return pictures(root, parts[name], labels)

    if held_out_is_given(rows):
        split = given_words("validation", parts[HELD_OUT])
    else:
        pool = parts[TRAIN] + parts[HELD_OUT]
        split = (
            f"{len(parts[HELD_OUT])} of {len(pool)}, stratified, "
            f"seed {source.seed}, file names {names_digest(pool)}"
        )
    has_test = bool(parts[TEST])
    return ImageData(
        name=root.resolve().name,
        classes=classes,
        image_size=image_size,
        train_pictures=part(TRAIN),
        held_out_pictures=part(HELD_OUT),
        held_out_split=split,
        index=index,
        test_pictures=part(TEST) if has_test else None,
        test_split=given_words("test", parts[TEST]) if has_test else None,
    )


def held_out_is_given(rows):
    """Whether a folder says what is held out."""
    return any(row.part == HELD_OUT for row in rows)


def given_words(name, rows):
    """Which pictures a part is that has a folder of its own, in words."""
    return f"{len(rows)} in folder {name}, file names {names_digest(rows)}"


def names_digest(rows):
    """Eight hexadecimal digits of the files' names, whatever their order."""
    in_order = sorted(rows, key=lambda row: (row.name, row.file))
    names = "\n".join(row.file for row in in_order)
    return hashlib.sha256(os.fsencode(names)).hexdigest()[:8]


def make_index(root, classes, rows, source):
    """Reads every file once, and chooses what is held out where no folder does.

    Args:
        root: The image folder.
        classes: Names of the classes.
        rows: What `list_images` found.
        source: A `Source`.

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
        parts |= hold_out(parts, source.seed)
    order = np.random.default_rng(source.seed).permutation
    mixed = [part[i] for part in parts.values() for i in order(len(part))]
    return mixed + broken


def check_counts(root, parts, classes):
    """A UserError if a part lacks images; names the classes that one lacks.

    Args:
        root: The image folder.
        parts: Readable `IndexedImage`s, by part.
        classes: Names of the classes.
    """
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
            raise UserError(f"{root}: no image of the part {part} can be read")
        if part != TRAIN and (missing := [n for n in classes if not counts[n]]):
            print(f"no images of {named(missing)} in {part}", file=sys.stderr)


def hold_out(parts, seed):
    """What to train on and what to hold out, of what is not tested.

    Args:
        parts: `IndexedImage`s, by part.
        seed: Chooses them.

    Returns:
        A dict like `parts`.
    """
    rows = parts[TRAIN]
    share = HELD_OUT_SHARE_BESIDE_TEST if TEST in parts else HELD_OUT_SHARE
    train, held_out = split_indices([row.name for row in rows], seed, share)
    return {
        TRAIN: [rows[i] for i in train],
        HELD_OUT: [replace(rows[i], part=HELD_OUT) for i in held_out],
    }


def describe_all(root, rows, broken_images):
    """Reads each image; names the broken ones, or raises.

    Returns:
        `(readable, broken)`: the rows with what `describe` says of them, and
        those that are now of the part "unreadable".
    """

    def described(row):
        try:
            facts = describe(root / row.file, whole=broken_images is not None)
            return replace(row, **facts), ""
        except UserError as error:
            return replace(row, part=UNREADABLE), str(error)

    readable, broken, complaints = [], [], []
    # An image can be odd in many ways that Pillow warns of.
    with warnings.catch_warnings(), ThreadPool(os.cpu_count()) as threads:
        warnings.simplefilter("ignore")
        bar = keras.utils.Progbar(len(rows), unit_name="image")
        with own_lines():
            for row, complaint in threads.imap(described, rows, 16):
                if complaint:
                    broken.append(row)
                    complaints.append(complaint)
                else:
                    readable.append(row)
                bar.add(1)
    share = f"{len(broken)} of {len(rows)} images"
    if broken and broken_images == "error":
        raise UserError(f"{share} are broken. The first: {complaints[0]}")
    if broken:
        print(f"left out {share}:", file=sys.stderr)
    for text in complaints[:NAMED]:
        print(f"  {text}", file=sys.stderr)
    return readable, broken


def pictures(root, rows, labels):
    """The `Pictures` of some rows of an index."""
    # Names of files are bytes: not all of them are UTF-8.
    paths = tf.constant([os.fsencode(root / row.file) for row in rows])
    turns = tf.constant([row.orientation for row in rows], tf.int32)

    def decode(index, contents):
        def read(index, contents):
            return read_image(root / rows[index].file, contents)

        pixels = tf.numpy_function(read, [index, contents], tf.uint8, False)
        return tf.ensure_shape(pixels, (None, None, 3))

    pairs = np.arange(len(rows)), np.array(labels, "int64")
    return Pictures(
        rows=tf.data.Dataset.from_tensor_slices(pairs),
        read=lambda i: (tf.io.read_file(paths[i]), turns[i]),
        decode=decode,
        buffer=len(rows),
    )
