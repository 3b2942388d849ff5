"""Random numbers that are functions of a seed alone.

Keras' own generators count their calls, which tf.data makes in parallel:
another order in every process. TensorFlow's stateless ones take one seed for
all numbers, and the images of a batch need one each.
"""

import math
import zlib

import tensorflow as tf
from numpy.typing import ArrayLike

from keras_convmixer.utils.checks import UserError

# Of SplitMix64 (Steele, Lea and Flood, 2014), which passes BigCrush.
INCREMENT = 0x9E3779B97F4A7C15
FACTORS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
LAST_SHIFT = 31
BITS = 24  # Of a float32's mantissa.

# Another seed of two integers, which follows from one and a number.
fold_in = tf.random.experimental.stateless_fold_in


def image_seeds(
    seed: int | tf.Tensor, numbers: ArrayLike | tf.Tensor
) -> tf.Tensor:
    """A seed for each image, for `rand_augment` and `random_erasing`.

    Args:
        seed: An integer.
        numbers: `[N]` integers that tell the images of a training apart, such
            as their place in all of its epochs.

    Returns:
        uint64 `[N]`.

    Raises:
        ValueError: If they are not integers.

    Example:

    >>> from keras_convmixer.data import image_seeds
    >>> image_seeds(0, [4, 5]).shape
    TensorShape([2])
    """
    first = split_mix(as_bits("seed", seed))
    return split_mix(first + INCREMENT * as_bits("numbers", numbers))


def as_bits(name: str, integers: ArrayLike | tf.Tensor) -> tf.Tensor:
    """Integers as uint64; a UserError for others."""
    tensor = tf.convert_to_tensor(integers)
    if not tensor.dtype.is_integer and tensor.shape.num_elements() != 0:
        raise UserError(
            f"{name} must be of an integer type. Received: {integers!r}"
        )
    return tf.cast(tf.cast(tensor, tf.int64), tf.uint64)


def random_uniform(seeds: tf.Tensor, purpose: str, count: int) -> tf.Tensor:
    """Random numbers, from 0 inclusive to 1 exclusive.

    Args:
        seeds: `[N]`, from `image_seeds`.
        purpose: A string; for another one the numbers are independent.
        count: How many each seed gets.

    Returns:
        float32 `[N, count]`.
    """
    first = zlib.crc32(purpose.encode()) << 31  # Below 2**63.
    counters = tf.range(first, first + count, dtype=tf.int64)
    places = INCREMENT * tf.cast(counters, tf.uint64)
    bits = split_mix(seeds[:, None] + places)
    bits = tf.bitwise.right_shift(bits, tf.constant(64 - BITS, tf.uint64))
    return tf.cast(tf.cast(bits, tf.int32), tf.float32) * 2.0**-BITS


def random_normal(seeds: tf.Tensor, purpose: str) -> tf.Tensor:
    """Numbers of the standard normal distribution, float32 `[N]`."""
    radius, angle = tf.unstack(random_uniform(seeds, purpose, 2), axis=1)
    radius = tf.sqrt(-2 * tf.math.log1p(-radius))
    return radius * tf.cos(2 * math.pi * angle)


def split_mix(state: tf.Tensor) -> tf.Tensor:
    """The numbers of SplitMix64 at some states, uint64."""
    for shift, factor in FACTORS:
        state = xor_shift(state, shift) * tf.constant(factor, tf.uint64)
    return xor_shift(state, LAST_SHIFT)


def xor_shift(bits: tf.Tensor, shift: int) -> tf.Tensor:
    shifted = tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint64))
    return tf.bitwise.bitwise_xor(bits, shifted)
