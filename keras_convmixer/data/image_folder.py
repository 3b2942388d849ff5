"""A folder of photographs, FOLDER/CLASS/*.jpg and the like."""

import hashlib
import os
import sys
import warnings
from multiprocessing.pool import ThreadPool
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_convmixer.data.decode import SUFFIXES, read_image
from keras_convmixer.data.image_data import ImageData, cropped, split_indices
from keras_convmixer.data.index import (
    HELD_OUT,
    TRAIN,
    UNREADABLE,
    IndexedImage,
    changes,
)
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import own_lines

NAMED = 10  # Broken images that are named; of more, their number is given.


def load_image_folder(source, image_size, index=None):
    """The images of a folder; the names of its folders are the classes.

    Names that begin with a dot, and files that don't end as images do, are
    passed over. Without an index every file is decoded once, to find the
    broken ones; with one, none is before it is used.

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
    classes, files = list_images(root)
    if index is None:
        index = make_index(root, classes, files, source)
    elif changed := changes(index, files):
        raise UserError(
            f"{root.resolve().name} has changed since it was trained on, so "
            f"what was held out is unknown. {changed}"
        )

    label_of = {name: label for label, name in enumerate(classes)}

    def part(name):
        rows = [row for row in index if row.part == name]
        paths = [root / row.file for row in rows]
        labels = np.array([label_of[row.name] for row in rows], "int64")
        return cropped(decoded(paths, labels), image_size)

    readable = [row for row in index if row.part != UNREADABLE]
    held_out = [row for row in readable if row.part == HELD_OUT]
    in_order = sorted(readable, key=lambda row: (row.name, row.file))
    names = "\n".join(row.file for row in in_order)
    digest = hashlib.sha256(os.fsencode(names)).hexdigest()[:8]
    return ImageData(
        name=root.resolve().name,
        classes=classes,
        image_size=image_size,
        train=part(TRAIN),
        held_out=part(HELD_OUT),
        held_out_split=f"{len(held_out)} of {len(readable)}, stratified, "
        f"seed {source.seed}, file names {digest}",
        index=index,
    )


def list_images(root):
    """Names of the classes, and the images as "CLASS/NAME", in order."""
    if not root.is_dir():
        raise UserError(
            f"image_folder must be a folder. Received: {root}",
            argument="image_folder",
        )
    classes = sorted(
        path.name
        for path in root.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )
    if len(classes) < 2:
        raise UserError(
            f"image_folder {root} must have a folder of images for each of "
            f"two classes or more. Found: {classes}"
        )
    files = []
    for name in classes:
        if not name.isprintable():
            raise UserError(f"{name!r} can't be the name of a class")
        for path in sorted((root / name).iterdir()):
            hidden = path.name.startswith(".")
            if path.suffix.lower() in SUFFIXES and not hidden:
                files.append(f"{name}/{path.name}")
    return classes, files


def make_index(root, classes, files, source):
    """Decodes every image once, and chooses those that are held out.

    Returns:
        A list of `IndexedImage`: those to train on, those held out, those
        that can't be read. The first two are in random order, so that a part
        of them has all classes.
    """
    broken = find_unreadable(root, files, source.broken_images)
    readable = [file for file in files if file not in broken]
    label_of = {name: label for label, name in enumerate(classes)}
    labels = [label_of[os.path.dirname(file)] for file in readable]
    counts = np.bincount(labels, minlength=len(classes))
    for name, count in zip(classes, counts, strict=True):
        if count < 2:
            raise UserError(
                f"each class needs two images or more. {root / name} has "
                f"{count}"
            )
    train, held_out = split_indices(labels, source.seed)
    parts = [(readable[i], TRAIN) for i in train]
    parts += [(readable[i], HELD_OUT) for i in held_out]
    parts += [(file, UNREADABLE) for file in broken]
    return [
        IndexedImage(file, os.path.dirname(file), part) for file, part in parts
    ]


def find_unreadable(root, files, broken_images):
    """The images that can't be decoded; says so, or raises for them."""

    def complaint(file):
        try:
            read_image(root / file)
        except UserError as error:
            return str(error)

    # An image can be odd in many ways that Pillow warns of.
    with warnings.catch_warnings(), ThreadPool(os.cpu_count()) as threads:
        warnings.simplefilter("ignore")
        bar = keras.utils.Progbar(len(files), unit_name="image")
        broken = {}
        with own_lines():
            for file, text in zip(
                files, threads.imap(complaint, files, 16), strict=True
            ):
                if text:
                    broken[file] = text
                bar.add(1)
    share = f"{len(broken)} of {len(files)} images"
    complaints = list(broken.values())
    if broken and broken_images == "error":
        raise UserError(f"{share} are broken. The first: {complaints[0]}")
    if broken:
        print(f"left out {share}:", file=sys.stderr)
    for text in complaints[:NAMED]:
        print(f"  {text}", file=sys.stderr)
    return broken


def decoded(paths, labels):
    """`tf.data.Dataset` of (uint8 `[H, W, 3]`, label)."""

    def decode(index, label):
        image = tf.numpy_function(
            lambda index: read_image(paths[index]), [index], tf.uint8, False
        )
        return tf.ensure_shape(image, (None, None, 3)), label

    indices = tf.range(len(paths), dtype=tf.int64)
    pairs = tf.data.Dataset.from_tensor_slices((indices, labels))
    return pairs.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
