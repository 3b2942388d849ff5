"""Encoded pictures, of which only what is used is decoded."""

import atexit
import dataclasses
import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_convmixer.data.crop import square_crop
from keras_convmixer.data.decode import apply_orientation

# Decoded squares are kept in memory up to this many bytes.
MEMORY_BYTES = 2**29


@dataclass(frozen=True)
class Pictures:
    """Labelled pictures as they are stored.

    What is shuffled and divided among machines is rows: none of them is
    decoded before a machine needs its picture, and then only the part that it
    needs.

    Attributes:
        rows: `tf.data.Dataset` of (row, int64 label); a row is anything
            small.
        read: A function of a row to the file's contents, a string tensor, and
            its EXIF orientation, an int32 tensor, 1 for upright.
        decode: A function of a row and the contents to uint8 `[H, W, 3]`,
            upright, for all kinds of files.
        buffer: How many rows may be kept in memory, to be shuffled.
    """

    rows: tf.data.Dataset
    read: Callable
    decode: Callable
    buffer: int

    def __len__(self):
        return int(self.rows.cardinality())

    def shard(self, count, index):
        """Every `count`-th of them, from one of the first on."""
        return dataclasses.replace(self, rows=self.rows.shard(count, index))

    def evenly(self, count):
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

    def part(self, row, draw):
        """A rectangle of a picture, turned as it is stored.

        Args:
            row: Of `rows`.
            draw: A function of the height and width of the stored picture to
                the rectangle: its top, left, height and width, int32.

        Returns:
            `(pixels, orientation)`: uint8 `[h, w, 3]` and the EXIF
            orientation that it still has.
        """
        contents, orientation = self.read(row)

        def of_jpeg():
            shape = tf.image.extract_jpeg_shape(contents)
            box = tf.stack(draw(shape[0], shape[1]))
            pixels = tf.image.decode_and_crop_jpeg(
                contents, box, channels=3, dct_method="INTEGER_ACCURATE"
            )
            return pixels, orientation

        def of_any():
            pixels = self.decode(row, contents)
            shape = tf.shape(pixels)
            top, left, height, width = draw(shape[0], shape[1])
            box = pixels[top : top + height, left : left + width]
            return box, tf.constant(1)

        return tf.cond(plain_jpeg(contents), of_jpeg, of_any)

    def squares(self, size):
        """The middle squares, as evaluation sees them.

        Args:
            size: Their height and width in pixels.

        Returns:
            `tf.data.Dataset` of (uint8 `[size, size, 3]`, int64 label), kept
            in memory where that is less than `MEMORY_BYTES`.
        """

        def middle(pixels, orientation):
            image = apply_orientation(Image.fromarray(pixels), orientation)
            return np.array(square_crop(image, size))

        def square(row, label):
            pixels, orientation = self.part(row, whole)
            image = tf.numpy_function(
                middle, [pixels, orientation], tf.uint8, stateful=False
            )
            return tf.ensure_shape(image, (size, size, 3)), label

        squares = self.rows.map(square, tf.data.AUTOTUNE)
        if len(self) * 3 * size**2 <= MEMORY_BYTES:
            squares = squares.cache()
        return squares


def even_choice(labels, count):
    """Which of some images are chosen, if all classes shall be alike.

    Args:
        labels: int `[N]`.
        count: How many are chosen; of a class the first ones.

    Returns:
        bool `[N]`.
    """
    by_class = np.argsort(labels, kind="stable")
    in_order = labels[by_class]
    rank = np.empty(len(labels), int)  # Among those of the same class.
    rank[by_class] = np.arange(len(labels)) - np.searchsorted(
        in_order, in_order
    )
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


def plain_jpeg(contents):
    """Whether TensorFlow decodes it as Pillow does: CMYK it does not."""
    return tf.cond(
        tf.io.is_jpeg(contents),
        lambda: tf.image.extract_jpeg_shape(contents)[2] != 4,
        lambda: False,
    )


def whole(height, width):
    """The rectangle that is all of a picture."""
    return 0, 0, height, width
