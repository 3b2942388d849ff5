"""The interface that every exported file has, so that apps can swap them."""

import keras
import numpy as np

from keras_convmixer.architecture import read_network
from keras_convmixer.utils.checks import UserError

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
