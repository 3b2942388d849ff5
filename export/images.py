"""Photographs as files, of any kind that PIL reads."""

import struct

import numpy as np


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
        ValueError: If it is no image, a broken one, or too large a one.
    """
    from PIL import Image, ImageOps

    broken = (OSError, ValueError, SyntaxError, EOFError, struct.error)
    try:
        with Image.open(path) as file:
            return as_rgb(ImageOps.exif_transpose(file))
    except (*broken, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} can't be read as an image: {error}") from None


def as_rgb(image):
    """uint8 `[height, width, 3]` of an image in any mode of PIL."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits a pixel.
        levels = np.asarray(image, "float64") / 257
        image = Image.fromarray(np.rint(levels.clip(0, 255)).astype("uint8"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))
