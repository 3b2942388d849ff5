"""TFLite's converter: what it takes, and how exactly TensorFlow computes."""

import contextlib
import tempfile

import keras
import numpy as np

from keras_convmixer.architecture import read_network
from keras_convmixer.utils.backend import check_tensorflow
from keras_convmixer.utils.checks import UserError


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


def run_converter(
    model, operators="TFLITE_BUILTINS", float16_weights=False, **options
):
    """Converts a model to TFLite, for one image at a time.

    Args:
        model: A Keras model of one input, with a fixed size.
        operators: Name of the `tf.lite.OpsSet` it may use.
        float16_weights: Whether to store the weights in half the size.
        options: Attributes of the TFLite converter.

    Returns:
        The contents of the file.
    """
    import tensorflow as tf

    check_tensorflow("an export to TFLite")
    image = model.inputs[0]
    signature = tf.TensorSpec((1, *image.shape[1:]), image.dtype, image.name)
    function = tf.function(
        lambda image: model(image), input_signature=[signature], autograph=False
    )
    module = tf.Module()
    module.variables_to_save = [variable.value for variable in model.variables]
    with tempfile.TemporaryDirectory() as folder:
        # Keras' own export traces the model more often, and gives the same.
        tf.saved_model.save(module, folder, function.get_concrete_function())
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet[operators]]
        if float16_weights:
            converter.target_spec.supported_types = [tf.float16]
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        for name, value in options.items():
            setattr(converter, name, value)
        return converter.convert()


@contextlib.contextmanager
def full_float32():
    """Turns TF32 off and afterwards back on, also as a decorator.

    On GPUs since Ampere TensorFlow multiplies float32 matrices in TF32, with
    10 bits for the mantissa. The reference, the ranges and the fitted kernels
    of a file would be less exact there than on a CPU.
    """
    from tensorflow import config

    before = config.experimental.tensor_float_32_execution_enabled()
    config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        config.experimental.enable_tensor_float_32_execution(before)
