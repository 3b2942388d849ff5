"""The interface that every exported file has, so that apps can swap them."""

import keras
import numpy as np

from keras_convmixer.architecture import read_network
from keras_convmixer.inference import takes_pixels
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.graph import flatten

from .output_kind import OutputKind

OUTPUT_NAMES = {
    "softmax": "probabilities",
    "sigmoid": "probabilities",
    "linear": "logits",
    None: "features",
}


def device_model(model, pixels, output):
    """The model with a named input and a named output.

    Args:
        model: A model that has a ConvMixer in it, or its inference form.
        pixels: Type of the input `image`.
        output: Name of the output.

    Returns:
        A `keras.Model` from `image` to a dict with one tensor.
    """
    image = keras.Input(model.input_shape[1:], dtype=pixels, name="image")
    x = model(keras.ops.cast(image, "float32"))
    if x.dtype != "float32":  # After training in mixed precision.
        x = keras.ops.cast(x, "float32")
    return keras.Model(image, {output: x}, name=model.name)


def input_type(model):
    """ "uint8" for a model that takes pixels, 0 to 255, else "float32"."""
    return "uint8" if takes_pixels(model) else "float32"


def output_name(model):
    """ "probabilities", "logits" or "features"."""
    return OUTPUT_NAMES[output_activation(model)]


def output_kind(model):
    """The `OutputKind` of a model, by its last activation.

    Raises:
        UserError: If it is a softmax over a single output, which is 1 for
            every image.
    """
    activation, outputs = output_activation(model), model.output_shape[-1]
    if activation == "softmax" and outputs == 1:
        raise UserError(
            "model must not end in a softmax of one output, which is 1 for "
            "every image. Use a sigmoid"
        )
    if len(model.output_shape) != 2:  # A feature map.
        return OutputKind.VALUES
    if activation == "sigmoid":
        return OutputKind.LABELS
    if activation in ("softmax", "linear") and outputs > 1:
        return OutputKind.CLASSES
    return OutputKind.VALUES


def output_activation(model):
    """The activation of the classifier that a model ends in.

    Args:
        model: A functional or sequential model, with models nested in it.

    Returns:
        "softmax" or "sigmoid"; "linear" for a dense layer without an
        activation; None for a model that ends in anything else.
    """
    _, step = flatten(model)
    while is_nothing(step.operation):
        (step,) = step.sources
    layer = step.operation
    activation = getattr(layer, "activation", None)
    for name in ("softmax", "sigmoid"):
        is_it = activation is getattr(keras.activations, name)
        # The layer Softmax, and the operators of `keras.ops`.
        if is_it or type(layer).__name__ == name.capitalize():
            return name
    is_dense = isinstance(layer, keras.layers.Dense)
    is_linear = activation is keras.activations.linear
    return "linear" if is_dense and is_linear else None


def is_nothing(layer):
    """Whether the layer only gives its input, perhaps in another precision."""
    if isinstance(layer, keras.layers.Activation):
        return layer.activation is keras.activations.linear
    return isinstance(layer, keras.layers.Dropout | keras.layers.Identity)


def check_model(model):
    """An error for a model that can't be converted.

    It must have a ConvMixer in it and no layer in front that is not
    understood, a fixed size of its images, and finite weights.
    """
    read_network(model)
    for variable in model.weights:
        if not np.isfinite(variable.numpy()).all():
            raise UserError(
                f"model must have finite weights. {variable.path} has not"
            )
    shape = model.input_shape[1:]
    if None in shape:
        raise UserError(
            "model must have a fixed height and width to be converted. "
            f"Received: {shape}"
        )
