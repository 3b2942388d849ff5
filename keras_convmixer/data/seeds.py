"""Random numbers that are functions of a seed alone.

Keras' own generators count their calls, which tf.data makes in parallel:
another order in every process.
"""

import functools

import keras
import tensorflow as tf


def fold_in(seed, number):
    """Another seed, which follows from a seed and a number."""
    return tf.random.experimental.stateless_fold_in(seed, number)


def with_seed(layer, seed):
    """A Keras image layer that draws all it draws from a seed."""
    layer.get_random_transformation = functools.partial(
        type(layer).get_random_transformation, layer, seed=Seeds(seed)
    )
    return layer


class Seeds(keras.random.SeedGenerator):
    """A generator without a state of its own: seeds that follow from one.

    Args:
        seed: Integer tensor of two elements.
    """

    def __init__(self, seed):
        self.seed = seed
        self.count = 0

    def next(self, ordered=True):
        self.count += 1
        return fold_in(self.seed, self.count)
