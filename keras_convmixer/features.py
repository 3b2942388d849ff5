"""The inside of a network: feature maps to use, blocks to freeze."""

import keras

from keras_convmixer.architecture import read_network, trunk_layers
from keras_convmixer.utils.checks import UserError


def feature_model(model):
    """A model that gives every feature map, for detection or distillation.

    It shares its layers and weights with `model`.

    Args:
        model: A model that `ConvMixer` built, or one that has it inside.

    Returns:
        A `keras.Model` from the input of `model` to a dict of feature maps,
        all `(batch, height / patch_size, width / patch_size, dim)`: "stem",
        "block_0", "block_1" and so on.

    Raises:
        ValueError: If there is no ConvMixer in the model, or it is not as
            `ConvMixer` built it.

    Example:

    >>> from keras_convmixer import ConvMixer, feature_model
    >>> model = ConvMixer(8, 2, 3, 4, input_shape=(32, 32, 3), classes=10)
    >>> features = feature_model(model)
    >>> list(features.output)
    ['stem', 'block_0', 'block_1']
    >>> features.output["block_1"].shape
    (None, 8, 8, 8)
    """
    network = read_network(model)
    features = {"stem": "stem_norm"}
    for index in range(network.depth):
        features[f"block_{index}"] = f"block_{index}_pointwise_norm"
    outputs = {
        name: network.trunk[role].tensor for name, role in features.items()
    }
    # From the model that the trunk is in outwards, to the whole.
    for inner, call in reversed(network.trunk["stem_conv"].path):
        (image,) = inner.inputs
        outputs = keras.Model(image, outputs)(*call.input_tensors)
    (image,) = model.inputs
    return keras.Model(image, outputs, name=f"{model.name}_features")


def freeze(model, blocks):
    """Freezes the stem and the first blocks; `compile` the model afterwards.

    Their weights stay as they are in training, and so do the statistics of
    their norms, which work as in inference.

    Args:
        model: A model that `ConvMixer` built, or one that has it inside.
        blocks: How many blocks, from 0 to all.

    Raises:
        ValueError: If there are fewer blocks, or no ConvMixer in the model.

    Example:

    >>> from keras_convmixer import ConvMixer, freeze
    >>> model = ConvMixer(8, 2, 3, 4, input_shape=(32, 32, 3), classes=10)
    >>> freeze(model, blocks=2)
    >>> [variable.path for variable in model.trainable_variables]
    ['head/kernel', 'head/bias']
    """
    trunk = trunk_layers(model)
    depth = sum(role.endswith("_add") for role in trunk)
    if blocks not in range(depth + 1):
        raise UserError(
            f"blocks must be from 0 to {depth}, the depth of the network. "
            f"Received: {blocks!r}"
        )
    frozen = ("stem_", *(f"block_{index}_" for index in range(blocks)))
    for role, layer in trunk.items():
        if role.startswith(frozen):
            layer.trainable = False
