"""Integer files.

A network becomes integers in these steps, each of which is a module:

    calibrate        the range of every activation, over real images
    fit              better ranges, and weights that make up for the rounding
    quantize         the file, by ai-edge-quantizer
    post_training    all of these
    qat              the same, with training by `quantization_aware` between

What a number is rounded to is in `rounding` alone.
"""

from .post_training import fitted_ranges, int8_file
from .quantize import quantize_dynamic

__all__ = ["fitted_ranges", "int8_file", "quantize_dynamic"]
