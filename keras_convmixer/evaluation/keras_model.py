"""A Keras model with the interface of an exported file."""

import keras

from keras_convmixer.evaluation.output_kind import OutputKind
from keras_convmixer.evaluation.runtime import Model
from keras_convmixer.inference import takes_pixels
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.graph import flatten

OUTPUT_NAMES = {
    "softmax": "probabilities",
    "sigmoid": "probabilities",
    "linear": "logits",
    None: "features",
}


class KerasModel(Model):
    """A Keras model, which takes several images at a time."""

    batch_size = 64

    def __init__(self, model):
        self.model = model
        model.make_predict_function()  # Not by two threads at a time.
        self.is_sigmoid = output_kind(model) is OutputKind.LABELS
        self.image_type = input_type(model)
        self.output_name = output_name(model)
        height, width, self.channels = model.input_shape[1:]
        self.image_size = height, width
        self.classes = model.output_shape[-1]

    def __call__(self, images):
        return self.model.predict_on_batch(images)


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
