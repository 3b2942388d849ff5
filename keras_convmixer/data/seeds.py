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


class SeededLayer:
    """A Keras image layer that draws all it draws from a seed.

    Args:
        layer: A layer with a `get_random_transformation`.
    """

    def __init__(self, layer):
        self.layer = layer
        self.seeds = Seeds()
        layer.get_random_transformation = functools.partial(
            layer.get_random_transformation, seed=self.seeds
        )

    def __call__(self, inputs, seed):
        """The layer's outputs.

        Args:
            inputs: What the layer takes.
            seed: Integer tensor of two elements.
        """
        self.seeds.restart(seed)
        return self.layer(inputs)


class Seeds(keras.random.SeedGenerator):
    """A generator without variables: seeds that follow from one."""

    def __init__(self):
        self.restart(None)

    def restart(self, seed):
        """From here on they follow from an integer tensor of two elements."""
        self.seed = seed
        self.count = 0

    def next(self, ordered=True):
        self.count += 1
        return fold_in(self.seed, self.count)
