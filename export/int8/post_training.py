"""int8 files of a model as it was trained."""

from .calibrate import CalibratedFile
from .equalize import equalize_channels
from .fit import fit_to_eight_bits
from .quantize import quantize_int8


def fitted_ranges(inference, images):
    """Fits an inference model to eight bits.

    Args:
        inference: An inference model for integers, whose weights
            change.
        images: Representative images, in the type that the model's files take.

    Returns:
        `{layer name: (least, largest)}` of the outputs that have eight bits.
    """
    equalize_channels(inference, images)
    return fit_to_eight_bits(inference, images)


def int8_file(inference, images, layer_ranges, io="uint8", float_gelu=False):
    """The contents of the int8 file of an inference model.

    Args:
        inference, images: As for `fitted_ranges`.
        layer_ranges: What it returned. All other ranges are calibrated.
        io: As for `export.tflite.convert`.
        float_gelu: As for `quantize_int8`.
    """
    calibrated = CalibratedFile(inference, images, layer_ranges, io)
    return quantize_int8(calibrated, io, float_gelu)
