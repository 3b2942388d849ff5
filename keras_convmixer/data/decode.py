"""Photographs as files."""

import contextlib
import hashlib
import io
import struct
import warnings

import numpy as np
from PIL import Image, ImageOps

from keras_convmixer.data.duplicates import SMALL, perceptual_hash
from keras_convmixer.utils.checks import UserError

Image.init()  # Threads that open their first image together would disturb it.

# What PIL reads by itself: for others, it runs other programs.
KINDS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (
    *(".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".png", ".ppm"),
    *(".tif", ".tiff", ".webp"),
)
ORIENTATION = 0x0112  # EXIF's tag.
LONGEST = 32  # Its long side, in short sides: resizing makes it no shorter.


def read_image(path, contents=None):
    """Reads an image as people see it.

    It is turned upright as its EXIF data says; 16-bit levels become 8-bit,
    transparency white, grey and CMYK RGB; of an animation the first picture
    is taken.

    Args:
        path: The file.
        contents: What is in it, if that was read before.

    Returns:
        uint8 `[height, width, 3]`.

    Raises:
        ValueError: If it is no image, a broken one, has more than 89
            million pixels (PIL's limit), or is longer than `LONGEST`.
    """
    with opened(path, contents) as file:
        return as_rgb(ImageOps.exif_transpose(file))


@contextlib.contextmanager
def opened(path, contents=None):
    """The `PIL.Image` of a file, of which only the header has been read.

    Args:
        path, contents: As for `read_image`.

    Raises:
        ValueError: As `read_image`, also for what is done with it.
    """
    file = path if contents is None else io.BytesIO(contents)
    too_large = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    broken = (OSError, ValueError, SyntaxError, EOFError, struct.error)
    try:
        with Image.open(file, formats=KINDS) as image:
            if max(image.size) > LONGEST * min(image.size):
                raise UserError(f"its sides are {image.size} pixels")
            yield image
    except (*broken, *too_large) as error:
        raise UserError(f"{path} can't be read as an image: {error}") from None


def describe(path):
    """What the index says of an image.

    All of it is decoded, a JPEG file as a small picture, which takes a
    fraction of the time and finds the same faults.

    Args:
        path: The file.

    Returns:
        A dict of width and height as stored, orientation, bytes, digest and
        perceptual hash.

    Raises:
        ValueError: As `read_image`.
    """
    try:
        with open(path, "rb") as file:
            contents = file.read()
    except OSError as error:
        raise UserError(f"{path} can't be read as an image: {error}") from None
    with opened(path, contents) as image:
        width, height = image.size
        # A border that fills up a block of the JPEG file is not in the box.
        _, box = image.draft("L", SMALL) or (None, None)
        image.load()
        exif = image.getexif()
        if (small := image).mode not in ("L", "RGB"):
            small = Image.fromarray(as_rgb(image))
        small = small.resize(SMALL, Image.Resampling.BILINEAR, box)
        return {
            "width": width,
            "height": height,
            "orientation": exif.get(ORIENTATION, 1),
            "bytes": len(contents),
            "digest": hashlib.blake2b(contents, digest_size=8).hexdigest(),
            "hash": perceptual_hash(ImageOps.exif_transpose(small)),
        }


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
