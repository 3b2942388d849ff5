"""The inside of a network: maps to use and to look at, blocks to freeze."""

import keras
from keras import layers

from keras_convmixer.architecture import Network, read_network, trunk_layers
from keras_convmixer.utils.checks import UserError

# What does nothing in inference and may stand anywhere in a linear head.
IDENTITY_LAYERS = (layers.Dropout, layers.SpatialDropout2D, layers.Identity)
ACTIVATIONS = ("Activation", "Softmax", "Sigmoid")  # Layers and operations.


def feature_model(model: keras.Model) -> keras.Model:
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
        outputs = keras.Model(image, outputs)(*call.inputs)
    (image,) = model.inputs
    return keras.Model(image, outputs, name=f"{model.name}_features")


def class_map_model(model: keras.Model) -> keras.Model:
    """A model that shows which places of an image speak for which class.

    The classifier is linear and what it classifies is a mean over all places,
    so the score of a class is the mean of a map: the features of each place
    times the classifier's weights. No gradient and no approximation is in it.

    Args:
        model: A model with a ConvMixer in it that ends in global average
            pooling and one dense layer, as `ConvMixer` builds it. Dropout
            between them and a separate activation after them are allowed.

    Returns:
        A `keras.Model` from the input of `model` to float32
        `(batch, height / patch_size, width / patch_size, classes)`. The mean
        over height and width is what the dense layer gives before its
        activation, to rounding. The trunk is shared with `model`, the weights
        of the dense layer are copied.

    Raises:
        ValueError: If the model ends in anything else.

    Example:

    >>> import keras
    >>> from keras_convmixer import ConvMixer, class_map_model
    >>> model = ConvMixer(8, 2, 3, 4, input_shape=(32, 32, 3), classes=10)
    >>> maps = class_map_model(model)
    >>> maps.output_shape
    (None, 8, 8, 10)
    """
    network = read_network(model)
    head = linear_head(network)
    features = feature_model(model)
    last = features.output[f"block_{network.depth - 1}"]
    each_place = layers.Dense(
        head.units, use_bias=head.use_bias, dtype="float32", name="class_maps"
    )
    maps = keras.Model(
        features.input, each_place(last), name=f"{model.name}_class_maps"
    )
    each_place.set_weights(head.get_weights())
    return maps


def linear_head(network: Network) -> layers.Dense:
    """The dense layer that classifies the mean of the last feature map.

    Raises a UserError if the network ends in anything else.
    """
    found = []
    previous = list(network.trunk.values())[-1]
    for step in network.tail:
        if step.sources != [previous]:
            break
        previous = step
        if not isinstance(step.operation, IDENTITY_LAYERS):
            found.append(step.operation)
    kinds = [type(operation).__name__ for operation in found]
    is_linear = kinds[:2] == ["GlobalAveragePooling2D", "Dense"]
    ends = not kinds[2:] or (len(kinds) == 3 and kinds[2] in ACTIVATIONS)
    if not (is_linear and ends and previous is network.output):
        raise UserError(
            "model must end in GlobalAveragePooling2D and one Dense layer: the "
            "maps of other heads are not exact. Received: "
            f"{', '.join(type(s.operation).__name__ for s in network.tail)}"
        )
    return found[1]


def freeze(model: keras.Model, blocks: int) -> None:
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
