"""TFLite files: the inference model in four number formats."""

import tempfile
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
            while running, all else in float32; "int8", all integer.
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
        images = check_images(representative_images, shape)
        return convert_int8(reparameterize(model, 1), pixels, images)
    inference = device_model(reparameterize(model), pixels)
    if format == "float16":
        return convert_float16(inference)
    float32 = run_converter(inference)
    return quantize_dynamic(float32) if format == "dynamic" else float32


def run_converter(model, operators="TFLITE_BUILTINS", target=None, **options):
    """Keras' export to TFLite, for one image at a time."""
    import tensorflow as tf

    image = model.inputs[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tflite")
        model.export(
            path,
            format="litert",
            verbose=False,
            input_signature=[
                tf.TensorSpec((1, *image.shape[1:]), image.dtype, image.name)
            ],
            target_spec={
                "supported_ops": [tf.lite.OpsSet[operators]],
                **(target or {}),
            },
            **options,
        )
        return path.read_bytes()


def convert_float16(model):
    """Half-size weights, and leave for the device to compute in float16."""
    import tensorflow as tf

    return run_converter(
        model,
        optimizations=[tf.lite.Optimize.DEFAULT],
        target={"supported_types": [tf.float16]},
    )


def convert_int8(inference, pixels, images):
    """All integer, with the ranges that real images give the activations."""
    import tensorflow as tf

    def representative_dataset():
        progress = keras.utils.Progbar(len(images), unit_name="image")
        for image in images:
            yield {"image": np.float32(image[None])}
            progress.add(1)

    return run_converter(
        device_model(inference, "float32"),
        operators="TFLITE_BUILTINS_INT8",
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=representative_dataset,
        inference_input_type=tf.as_dtype(pixels),
        inference_output_type=tf.float32,
    )


def quantize_dynamic(float32):
    """Pointwise convolutions and classifier of a float32 file to int8."""
    from ai_edge_quantizer import qtyping, quantizer

    recipe = quantizer.Quantizer(float_model=bytearray(float32))
    for operator in ("CONV_2D", "FULLY_CONNECTED"):
        recipe.add_dynamic_config(
            regex=".*",
            operation_name=qtyping.TFLOperationName[operator],
            num_bits=8,
        )
    return bytes(recipe.quantize().quantized_model)


def check_images(images, shape):
    images = np.asarray([] if images is None else images)
    if len(images) == 0 or images.shape[1:] != tuple(shape):
        raise ValueError(
            "representative_images must be real images of shape "
            f"{('N', *shape)} for the format int8. Received: "
            f"{images.shape if len(images) else None}"
        )
    return images
