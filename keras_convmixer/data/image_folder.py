"""A folder of photos as images to train on."""

import hashlib
import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_convmixer.data.folders import list_images
from keras_convmixer.data.image_data import ImageData
from keras_convmixer.data.index import HELD_OUT, TEST, TRAIN, changes
from keras_convmixer.data.make_index import make_index
from keras_convmixer.data.pictures import Pictures, untuned
from keras_convmixer.utils.checks import UserError


def load_image_folder(source, image_size, index=None):
    """The `ImageData` of a folder, for `Source.load`.

    Without an index every file is read once; with one, none is before it is
    used.

    Raises:
        UserError: If there are not two classes or more with enough images
            each, an image is broken and that is an error, or the folder's
            files are not those of the index.
    """
    root = Path(source.image_folder)
    classes, rows, notes = list_images(source)
    if index is None:
        for note in notes:
            print(note)
        index = make_index(root, classes, rows, source)
    elif changed := changes(index, rows):
        raise UserError(
            f"{root.resolve().name} has changed since it was trained on, so "
            f"what was held out is unknown. {changed}"
        )

    label_of = {name: label for label, name in enumerate(classes)}
    train, held_out, test = (
        [row for row in index if row.part == part]
        for part in (TRAIN, HELD_OUT, TEST)
    )
    if any(row.part == HELD_OUT for row in rows):  # A folder says which.
        split = given_words("validation", held_out)
    else:
        pool = train + held_out
        together = source.duplicates == "keep-together"
        split = (
            f"{len(held_out)} of {len(pool)}, stratified, "
            f"{'duplicates together, ' * together}seed {source.seed}, "
            f"file names {names_digest(pool)}"
        )
    return ImageData(
        name=root.resolve().name,
        classes=classes,
        image_size=image_size,
        train_pictures=pictures(root, train, label_of),
        held_out_pictures=pictures(root, held_out, label_of),
        held_out_split=split,
        index=index,
        test_pictures=pictures(root, test, label_of) if test else None,
        test_split=given_words("test", test) if test else None,
    )


def given_words(name, rows):
    """Describes a split that is given as a folder."""
    return f"{len(rows)} in folder {name}, file names {names_digest(rows)}"


def names_digest(rows):
    """Eight hexadecimal digits of the files' names, whatever their order."""
    in_order = sorted(rows, key=lambda row: (row.name, row.file))
    names = "\n".join(row.file for row in in_order)
    return hashlib.sha256(os.fsencode(names)).hexdigest()[:8]


def pictures(root, rows, label_of):
    """The `Pictures` of some rows of an index."""
    # Names of files are bytes: not all of them are UTF-8.
    paths = tf.constant([os.fsencode(root / row.file) for row in rows])
    turns = tf.constant([row.orientation for row in rows], tf.int32)
    labels = np.array([label_of[row.name] for row in rows], "int64")
    numbered = (np.arange(len(rows)), labels)
    return Pictures(
        rows=untuned(tf.data.Dataset.from_tensor_slices(numbered)),
        read=lambda i: (tf.io.read_file(paths[i]), turns[i]),
        buffer=len(rows),
        path=lambda i: paths[i],
    )
