"""Integer files.

A network becomes integers in these steps, each of which is a module:

    equalize    channels whose ranges are more alike
    fit         better ranges, and weights that make up for the rounding
    calibrate   the other ranges, over real images
    quantize    the file, by ai-edge-quantizer

`qat` trains the network between fitting and calibrating, as
`quantization_aware` rounds it. What a number is rounded to is in `rounding`
alone.
"""

from .calibrate import CalibratedFile
from .equalize import equalize_channels
from .fit import fit_to_eight_bits
from .quantize import quantize_dynamic, quantize_int8

__all__ = [
    "CalibratedFile",
    "fitted_ranges",
    "quantize_dynamic",
    "quantize_int8",
]


def fitted_ranges(inference, images):
    """Fits an inference model to eight bits.

    Args:
        inference: An inference model for integers, whose weights change.
        images: Representative images, in the type that the model's files take.

    Returns:
        `{layer name: (least, largest)}` of the outputs that have eight bits.
    """
    equalize_channels(inference, images)
    return fit_to_eight_bits(inference, images)
