"""Random changes to training images, composed of Keras layers."""

import keras


def augmentation(recipe, seed):
    """The recipe's augmentation.

    Args:
        recipe: A `Recipe`.
        seed: Seed of the random changes.

    Returns:
        A `keras.layers.Pipeline` for `tf.data`: a batch of images 0 to 255,
        uint8 or float, to float32 of the same shape.
    """
    layers = []
    if recipe.flip:
        layers.append(keras.layers.RandomFlip("horizontal", seed=seed))
    if recipe.shift:
        layers.append(
            keras.layers.RandomTranslation(
                recipe.shift, recipe.shift, fill_mode="constant", seed=seed
            )
        )
    return keras.layers.Pipeline(layers)
