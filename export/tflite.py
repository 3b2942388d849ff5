"""TFLite files: the inference model in four number formats."""

import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np

from export import TFLITE_FORMATS
from export.interface import device_model, input_type
from keras_convmixer.checks import one_of
from keras_convmixer.inference import reparameterize


def convert(model, format, representative_images=None):
    """Converts a trained ConvMixer to a TFLite file.

    Every file has the same signature: input `image`, uint8
    `[1, height, width, channels]`, pixels 0 to 255; output `probabilities`,
    float32 `[1, classes]`. A model that ends in logits or features has
    `logits` or `features` instead, and one without the input normalisation
    takes float32 images, normalised. Only TFLite's builtin operators occur.

    Args:
        model: A model that `ConvMixer` built, with a fixed input size.
        format: "float32"; "float16", weights of half the size; "dynamic",
            pointwise convolutions and classifier in int8 with ranges found
            while running, all else in float32; "int8", all integer up to the
            last feature map.
        representative_images: For "int8" only: images as the model takes
            them, `[N, height, width, channels]`, from which the ranges of the
            activations are taken.

    Returns:
        The contents of the file, `bytes`.

    Raises:
        ValueError: If an argument is not as above.
    """
    one_of("format", format, TFLITE_FORMATS)
    shape = model.input_shape[1:]
    if None in shape:
        raise ValueError(
            "model must have a fixed height and width to be converted. "
            f"Received: {shape}"
        )
    pixels = input_type(model)
    if format == "int8":
        images = check_images(representative_images, shape, pixels)
        inference = reparameterize(model, channel_groups=1)
        float32 = run_converter(device_model(inference, pixels))
        with warnings.catch_warnings():
            # Of the memory that keeping all activations takes.
            warnings.simplefilter("ignore", UserWarning)
            return quantize_int8(float32, images)
    inference = device_model(reparameterize(model), pixels)
    if format == "float16":
        return run_converter(inference, float16_weights=True)
    float32 = run_converter(inference)
    return quantize_dynamic(float32) if format == "dynamic" else float32


def run_converter(
    model, operators="TFLITE_BUILTINS", float16_weights=False, **options
):
    """Keras' export of a model to TFLite, for one image at a time.

    Args:
        model: A Keras model of one input, with a fixed size.
        operators: Name of the `tf.lite.OpsSet` it may use.
        float16_weights: Whether to store the weights in half the size.
        options: Attributes of the TFLite converter.

    Returns:
        The contents of the file.
    """
    import tensorflow as tf

    image = model.inputs[0]
    signature = tf.TensorSpec((1, *image.shape[1:]), image.dtype, image.name)
    target = {"supported_ops": [tf.lite.OpsSet[operators]]}
    if float16_weights:
        target["supported_types"] = [tf.float16]
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tflite")
        model.export(
            path,
            format="litert",
            verbose=False,
            input_signature=[signature],
            target_spec=target,
            **options,
        )
        return path.read_bytes()


def quantize_dynamic(float32):
    """Pointwise convolutions and classifier of a float32 file to int8."""
    recipe = new_recipe(float32)
    for operator in ("CONV_2D", "FULLY_CONNECTED"):
        recipe.add_dynamic_config(".*", operators()[operator], num_bits=8)
    return bytes(recipe.quantize().quantized_model)


def quantize_int8(float32, images):
    """All integer, with the ranges that real images give the activations.

    Only behind the last feature map float32 comes in: eight bits can't tell
    the scores of an uncertain image apart. Pooling and softmax cost nothing
    there, and the classifier keeps its int8 weights.
    """
    recipe = new_recipe(float32)
    recipe.add_static_config(
        ".*",
        operators()["ALL_SUPPORTED"],
        activation_num_bits=8,
        weight_num_bits=8,
    )
    recipe.add_dynamic_config(".*", operators()["FULLY_CONNECTED"], num_bits=8)
    for operator in ("INPUT", "MEAN", "SOFTMAX", "OUTPUT"):
        recipe.update_quantization_recipe(
            ".*", operators()[operator], algorithm_key="no_quantize"
        )
    ranges = activation_ranges(recipe, float32, images)
    return bytes(recipe.quantize(ranges).quantized_model)


def activation_ranges(recipe, float32, images):
    """The least and the largest value of every tensor over the images.

    The quantizer's own calibration averages the extremes of the images and so
    cuts the larger ones off; here it only names the tensors.
    """
    from ai_edge_litert.interpreter import Interpreter

    first = [{"image": images[:1]}]
    ranges = recipe.calibrate({"serving_default": first})
    interpreter = Interpreter(
        model_content=float32, experimental_preserve_all_tensors=True
    )
    run = interpreter.get_signature_runner()
    tensors = {
        tensor["name"]: tensor["index"]
        for tensor in interpreter.get_tensor_details()
    }
    progress = keras.utils.Progbar(len(images), unit_name="image")
    for image in images:
        run(image=image[None])
        for name, limits in ranges.items():
            if name in tensors:
                values = interpreter.get_tensor(tensors[name])
                limits["min"] = np.minimum(limits["min"], values.min())
                limits["max"] = np.maximum(limits["max"], values.max())
        progress.add(1)
    return ranges


def new_recipe(float32):
    from ai_edge_quantizer import quantizer

    return quantizer.Quantizer(float_model=bytearray(float32))


def operators():
    from ai_edge_quantizer import qtyping

    return qtyping.TFLOperationName


def check_images(images, shape, pixels):
    images = np.asarray([] if images is None else images)
    if len(images) == 0 or images.shape[1:] != tuple(shape):
        raise ValueError(
            "representative_images must be real images of shape "
            f"{('N', *shape)} for the format int8. Received: "
            f"{images.shape if len(images) else None}"
        )
    return images.astype(pixels)
