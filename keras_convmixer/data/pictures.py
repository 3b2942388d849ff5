"""Encoded images, which are decoded when they are used."""

import atexit
import dataclasses
import gc
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from tensorflow.autograph.experimental import do_not_convert

from keras_convmixer.data import file_ops
from keras_convmixer.data.decode import read_image
from keras_convmixer.data.resize import center_square

# Images of files that decide whether all of them fit in memory.
SAMPLED = 64


@dataclass(frozen=True)
class Pictures:
    """Labelled images as they are stored.

    What is shuffled and divided among machines is rows: none of them is
    decoded before a machine needs its image, and then only the part that it
    needs.

    Attributes:
        rows: `tf.data.Dataset` of (row, int64 label), `untuned`; a row is
            anything small.
        read: A function of a row to the file's contents, a string tensor, and
            its EXIF orientation, an int32 tensor, 1 for upright.
        buffer: How many rows may be kept in memory, to be shuffled.
        side: Of all of them, which are squares of one size; None for others.
        path: A function of a row to what errors call its image.
    """

    rows: tf.data.Dataset
    read: Callable
    buffer: int
    side: int | None = None
    path: Callable = lambda row: "an image"

    def __len__(self):
        return int(self.rows.cardinality())

    def shard(self, count, index):
        """Every `count`-th of them, from one of the first on."""
        return dataclasses.replace(self, rows=self.rows.shard(count, index))

    def class_balanced(self, count):
        """At most so many of them, of each class as many as of another.

        Of a class that has fewer all are taken. They are always the same
        ones, in their order. None is decoded to choose them.
        """
        if len(self) <= count:
            return self
        labels = self.rows.map(lambda row, label: label).as_numpy_iterator()
        chosen = tf.constant(even_choice(np.fromiter(labels, int), count))
        rows = self.rows.enumerate().filter(lambda number, _: chosen[number])
        rows = rows.map(lambda number, row: row)
        rows = rows.apply(tf.data.experimental.assert_cardinality(count))
        return dataclasses.replace(self, rows=rows)

    def stored(self, row, least_side=None):
        """The `StoredImage` of a row, as `file_ops.stored_image` makes it."""
        contents, orientation = self.read(row)
        return file_ops.stored_image(
            contents,
            orientation,
            lambda: decode_by_pillow(self.path(row), contents),
            least_side,
        )

    def pixels(self, row):
        """All pixels of a row, uint8 `[H, W, 3]`, upright."""
        pixels = file_ops.decode(self.stored(row))
        return tf.ensure_shape(pixels, [self.side, self.side, 3])

    def decoded_bytes(self, least_side=None):
        """Bytes of all decoded images, estimated from the first ones."""
        shapes = self.rows.take(SAMPLED).map(
            do_not_convert(
                lambda row, label: self.stored(row, least_side).shape
            )
        )
        pixels = [int(np.prod(s)) for s in shapes.as_numpy_iterator()]
        return round(3 * np.mean(pixels) * len(self)) if pixels else 0

    def squares(self, size, workers=None):
        """The middle squares, as evaluation sees them.

        Returns:
            `tf.data.Dataset` of (uint8 `[size, size, 3]`, int64 label).
        """

        @do_not_convert
        def square(row, label):
            return center_square(self.pixels(row), size), label

        return self.rows.map(square, workers)


def untuned(dataset):
    """The dataset without `tf.data`'s autotuning, also in what is made of it.

    All numbers of threads and buffers are given, so there is nothing to tune.
    Autotuning looks at an iterator at ever longer intervals of up to a minute,
    and the end of the iterator waits for its next look: often for as long as
    the iterator was in use.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def decode_by_pillow(path, contents):
    """uint8 `[H, W, 3]`, upright, of a file of any kind."""
    pixels = tf.numpy_function(
        lambda path, contents: read_image(os.fsdecode(path), contents),
        [path, contents],
        tf.uint8,
        stateful=False,
    )
    return tf.ensure_shape(pixels, (None, None, 3))


def even_choice(labels, count):
    """Which `count` images to take for balanced classes, bool `[N]`.

    Those of a class are its first ones.
    """
    rank = np.empty(len(labels), int)  # Among those of the same class.
    for label in np.unique(labels):
        same = labels == label
        rank[same] = np.arange(same.sum())
    chosen = np.zeros(len(labels), bool)
    chosen[np.argsort(rank, kind="stable")[:count]] = True
    return chosen


@atexit.register
def end_iterators():
    """Ends the threads of `tf.data` that call Python, while there is Python.

    A training that was stopped leaves its iterators in cycles and in the
    traceback of its error. Threads that still want Python's lock when it is
    taken down keep the process for ever.
    """
    sys.last_exc = sys.last_value = sys.last_traceback = None
    gc.collect()
