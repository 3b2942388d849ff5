"""Random changes to training images, by Keras layers."""

import functools

import keras


class Augmentation:
    """The recipe's augmentation, a function of images and a seed.

    Args:
        recipe: A `Recipe`.
    """

    def __init__(self, recipe):
        self.layers = []
        if recipe.flip:
            self.layers.append(
                keras.layers.RandomFlip("horizontal", dtype="float32")
            )
        if recipe.shift:
            self.layers.append(
                keras.layers.RandomTranslation(
                    *(recipe.shift, recipe.shift),
                    fill_mode="constant",
                    dtype="float32",
                )
            )

    def __call__(self, images, seed):
        """Changes a batch of images.

        Args:
            images: `[N, H, W, 3]`, 0 to 255, uint8 or float.
            seed: Integer tensor of two elements; the same one gives the same
                changes.

        Returns:
            float32 of the same shape.
        """
        import tensorflow as tf

        images = tf.cast(images, "float32")
        for index, layer in enumerate(self.layers):
            images = with_seed(layer, fold_in(seed, index))(images)
        return images


def with_seed(layer, seed):
    """An image layer that draws its numbers from a seed alone.

    Keras' own generators count their calls, which tf.data makes in parallel:
    another order in every process.
    """
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


def fold_in(seed, number):
    import tensorflow as tf

    return tf.random.experimental.stateless_fold_in(seed, number)
