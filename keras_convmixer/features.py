"""The inside of a network: feature maps to use, blocks to freeze."""

import keras

from keras_convmixer.architecture import architecture
from keras_convmixer.utils.checks import UserError


def feature_model(model):
    """A model that gives every feature map, for detection or distillation.

    It shares its layers and weights with `model`.

    Args:
        model: A model that `ConvMixer` built, with or without the top.

    Returns:
        A `keras.Model` from the input of `model` to a dict of feature maps,
        all `(batch, height / patch_size, width / patch_size, dim)`: "stem",
        "block_0", "block_1" and so on.

    Raises:
        ValueError: If `ConvMixer` did not build the model.
    """
    depth = architecture(model)["depth"]
    outputs = {"stem": model.get_layer("stem_norm").output}
    for index in range(depth):
        name = f"block_{index}"
        outputs[name] = model.get_layer(f"{name}_pointwise_norm").output
    return keras.Model(model.input, outputs, name=f"{model.name}_features")


def freeze(model, blocks):
    """Freezes the stem and the first blocks; `compile` the model afterwards.

    Their weights stay as they are in training, and so do the statistics of
    their norms, which work as in inference.

    Args:
        model: A model that `ConvMixer` built, with or without the top.
        blocks: How many blocks, from 0 to all.

    Raises:
        ValueError: If there are fewer blocks, or `ConvMixer` did not build
            the model.
    """
    depth = architecture(model)["depth"]
    if blocks not in range(depth + 1):
        raise UserError(
            f"blocks must be from 0 to {depth}, the depth of the network. "
            f"Received: {blocks!r}"
        )
    frozen = ("stem_", *(f"block_{index}_" for index in range(blocks)))
    for layer in model.layers:
        if layer.name.startswith(frozen):
            layer.trainable = False
