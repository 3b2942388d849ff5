"""Photographs as files."""

import struct
import warnings

import numpy as np
from PIL import Image, ImageOps

from keras_convmixer.utils.checks import UserError

Image.init()  # Threads that open their first image together would disturb it.

# What PIL reads by itself: for others, it runs other programs.
KINDS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (
    *(".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".png", ".ppm"),
    *(".tif", ".tiff", ".webp"),
)
LONGEST = 32  # Its long side, in short sides: resizing makes it no shorter.


def read_image(path):
    """Reads an image as people see it.

    It is turned upright as its EXIF data says; 16-bit levels become 8-bit,
    transparency white, grey and CMYK RGB; of an animation the first picture
    is taken.

    Args:
        path: The file.

    Returns:
        uint8 `[height, width, 3]`.

    Raises:
        ValueError: If it is no image, a broken one, has more than 89
            million pixels (PIL's limit), or is longer than `LONGEST`.
    """
    too_large = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    broken = (OSError, ValueError, SyntaxError, EOFError, struct.error)
    try:
        with Image.open(path, formats=KINDS) as file:
            if max(file.size) > LONGEST * min(file.size):
                raise UserError(f"its sides are {file.size} pixels")
            return as_rgb(ImageOps.exif_transpose(file))
    except (*broken, *too_large) as error:
        raise UserError(f"{path} can't be read as an image: {error}") from None


def as_rgb(image):
    """uint8 `[height, width, 3]` of an image in any mode of PIL."""
    if image.mode.startswith("I"):  # 16 bits a pixel.
        levels = np.asarray(image).clip(0, 65535).astype("uint32")
        image = Image.fromarray(((levels + 128) // 257).astype("uint8"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))
