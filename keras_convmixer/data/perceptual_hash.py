"""A hash of what an image looks like, the same for copies of it."""

import numpy as np
from PIL import Image

COLUMNS, ROWS = 16, 16
BITS = COLUMNS * ROWS
SMALL = (64, 64)  # Pixels from which the hash is made.


def perceptual_hash(image):
    """64 hexadecimal digits of a `PIL.Image`.

    Args:
        image: Grey or RGB, as people see it, of the size `SMALL`.
    """
    size = (COLUMNS + 1, ROWS)
    levels = image.convert("L").resize(size, Image.Resampling.BILINEAR)
    levels = np.asarray(levels, "int16")
    return np.packbits(levels[:, 1:] > levels[:, :-1]).tobytes().hex()
