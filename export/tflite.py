"""TFLite files: the inference model in four number formats."""

import numpy as np

from keras_convmixer.inference.reparameterize import reparameterize
from keras_convmixer.utils.checks import UserError, check_choice

from . import IO, TFLITE_FORMATS
from .converter import run_converter
from .int8.calibrate import calibrate, output_ranges, set_output_ranges
from .int8.fit import fit_to_eight_bits
from .int8.quantize import quantize_dynamic, quantize_int8
from .interface import device_model, input_type


def convert(model, format, representative_images=None, io="uint8"):
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
        io: "uint8", as above; "int8", for "int8" only: integers from the
            input, which is pixel - 128, to the output, whose scale and zero
            point are in the file.

    Returns:
        The contents of the file, `bytes`.

    Raises:
        ValueError: If an argument is not as above.
    """
    check_choice("format", format, TFLITE_FORMATS)
    check_choice("io", io, IO)
    check_model(model)
    if format == "int8":
        images = check_images(representative_images, model)
        inference = reparameterize(model, channel_groups=1)
        return quantize_int8(*fitted_file(inference, images, io), io)
    if io == "int8":
        raise UserError(f"io 'int8' needs the format int8. Received: {format}")
    is_dynamic = format == "dynamic"
    inference = reparameterize(model, whole_pointwise=is_dynamic)
    inference = device_model(inference, input_type(model))
    if format == "float16":
        return run_converter(inference, float16_weights=True)
    float32 = run_converter(inference)
    return quantize_dynamic(float32) if is_dynamic else float32


def calibrated_file(inference, images, io="uint8"):
    """The float32 file that an int8 file is made of, and its ranges.

    Args:
        inference: An inference model with one group of channels.
        images: Representative images, in the type that the model's files take.
        io: As for `convert`.

    Returns:
        `(float32, ranges)`: the contents, and what `calibrate` gives.
    """
    are_pixels = images.dtype == np.uint8
    if io == "int8":
        images = images.astype("float32")
    float32 = run_converter(device_model(inference, images.dtype.name))
    return float32, calibrate(float32, images, are_pixels)


def fitted_file(inference, images, io="uint8"):
    """The same, after `fit_to_eight_bits`, which changes the model."""
    _, ranges = calibrated_file(inference, images, io)
    limits = output_ranges(ranges, inference)
    limits = fit_to_eight_bits(inference, limits, images)
    # Again, since a bias that was zero had no part in a tensor's name.
    float32, ranges = calibrated_file(inference, images, io)
    set_output_ranges(ranges, inference, limits)
    return float32, ranges


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
