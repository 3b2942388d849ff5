"""The interface that every exported file has, so that apps can swap them."""

import keras
import numpy as np

from keras_convmixer.utils.checks import UserError

from keras_convmixer.inference import takes_pixels


def device_model(model, pixels):
    """The model with a named input and a named output.

    Args:
        model: A model that `ConvMixer` built, or its inference form.
        pixels: Type of the input `image`.

    Returns:
        A `keras.Model` from `image` to a dict with one tensor.
    """
    image = keras.Input(model.input_shape[1:], dtype=pixels, name="image")
    output = model(keras.ops.cast(image, "float32"))
    return keras.Model(image, {output_name(model): output}, name=model.name)


def input_type(model):
    """ "uint8" for a model that takes pixels, 0 to 255, else "float32"."""
    return "uint8" if takes_pixels(model) else "float32"


def output_name(model):
    """What the model's output is."""
    head = model.layers[-1]
    if head.name != "head":
        return "features"
    softmax = head.activation is keras.activations.softmax
    return "probabilities" if softmax else "logits"


def check_model(model):
    """The size of its images must be fixed, its weights finite."""
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


def check_images(images, model):
    """Representative images in the type that the model's files take."""
    shape = model.input_shape[1:]
    images = np.asarray([] if images is None else images)
    if len(images) == 0 or images.shape[1:] != tuple(shape):
        raise UserError(
            "representative_images must be real images of shape "
            f"{('N', *shape)} for an int8 file. Received: "
            f"{images.shape if len(images) else None}"
        )
    return images.astype(input_type(model))
