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

from keras_convmixer.data.decode import SUFFIXES, describe, read_image
from keras_convmixer.data.image_data import ImageData, split_indices
from keras_convmixer.data.index import (
    HELD_OUT,
    TRAIN,
    UNREADABLE,
    IndexedImage,
    changes,
)
from keras_convmixer.data.pictures import Pictures
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import own_lines

NAMED = 10  # Broken images that are named; of more, their number is given.


def load_image_folder(source, image_size, index=None):
    """The images of a folder; the names of its folders are the classes.

    Names that begin with a dot, and files that don't end as images do, are
    passed over. Without an index every file is read once; with one, none is
    before it is used.

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
        return pictures(root, rows, [label_of[row.name] for row in rows])

    readable = [row for row in index if row.part != UNREADABLE]
    held_out = [row for row in readable if row.part == HELD_OUT]
    in_order = sorted(readable, key=lambda row: (row.name, row.file))
    names = "\n".join(row.file for row in in_order)
    digest = hashlib.sha256(os.fsencode(names)).hexdigest()[:8]
    return ImageData(
        name=root.resolve().name,
        classes=classes,
        image_size=image_size,
        train_pictures=part(TRAIN),
        held_out_pictures=part(HELD_OUT),
        held_out_split=f"{len(held_out)} of {len(readable)}, stratified, "
        f"seed {source.seed}, file names {digest}",
        index=index,
    )


def list_images(root):
    """Names of the classes, and the images' sizes in bytes by "CLASS/NAME"."""
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
    files = {}
    for name in classes:
        if not name.isprintable():
            raise UserError(f"{name!r} can't be the name of a class")
        for entry in sorted(os.scandir(root / name), key=lambda e: e.name):
            hidden = entry.name.startswith(".")
            if entry.name.lower().endswith(SUFFIXES) and not hidden:
                files[f"{name}/{entry.name}"] = size_of(entry)
    return classes, files


def size_of(entry):
    """A file's bytes; 0 of what is no file."""
    try:
        return entry.stat().st_size if entry.is_file() else 0
    except OSError:  # A link to nowhere, or to itself.
        return 0


def make_index(root, classes, files, source):
    """Reads every file once, and chooses those that are held out.

    Returns:
        A list of `IndexedImage`: those to train on, those held out, those
        that can't be read. The first two are in random order, so that a part
        of them has all classes.
    """
    found = describe_all(root, files, source.broken_images)
    readable = list(found)
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
    index = [
        IndexedImage(file, os.path.dirname(file), part, **found[file])
        for file, part in parts
    ]
    return index + [
        IndexedImage(file, os.path.dirname(file), UNREADABLE, bytes=size)
        for file, size in files.items()
        if file not in found
    ]


def describe_all(root, files, broken_images):
    """What the index says of each image; names the broken ones, or raises.

    Returns:
        A dict of `describe`'s dicts, by file; broken ones are not in it.
    """

    def described(file):
        try:
            return describe(root / file, whole=broken_images is not None), ""
        except UserError as error:
            return None, str(error)

    # An image can be odd in many ways that Pillow warns of.
    with warnings.catch_warnings(), ThreadPool(os.cpu_count()) as threads:
        warnings.simplefilter("ignore")
        bar = keras.utils.Progbar(len(files), unit_name="image")
        found, complaints = {}, []
        with own_lines():
            for file, (facts, complaint) in zip(
                files, threads.imap(described, files, 16), strict=True
            ):
                if complaint:
                    complaints.append(complaint)
                else:
                    found[file] = facts
                bar.add(1)
    share = f"{len(complaints)} of {len(files)} images"
    if complaints and broken_images == "error":
        raise UserError(f"{share} are broken. The first: {complaints[0]}")
    if complaints:
        print(f"left out {share}:", file=sys.stderr)
    for text in complaints[:NAMED]:
        print(f"  {text}", file=sys.stderr)
    return found


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
