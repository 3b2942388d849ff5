"""Photographs as files."""

import contextlib
import hashlib
import io
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
ORIENTATION = 0x0112  # EXIF's tag.
# What the last bytes of a whole file have, some tools write more after it.
ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
TAIL = 64
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


def describe(path, whole=False):
    """What the index says of an image.

    Its pixels are decoded only where that is asked, or where the file does
    not end as those of its kind do.

    Args:
        path: The file.
        whole: Whether all of the pixels are decoded.

    Returns:
        A dict of width and height as stored, orientation, bytes and digest.

    Raises:
        ValueError: As `read_image`.
    """
    try:
        with open(path, "rb") as file:
            contents = file.read()
    except OSError as error:
        raise UserError(f"{path} can't be read as an image: {error}") from None
    with opened(path, contents) as image:
        end = ENDS.get(image.format)
        if whole or end is None or end not in contents[-TAIL:]:
            image.load()
        # Of a PNG without EXIF data Pillow would decode all to look for it.
        absent = image.format == "PNG" and "exif" not in image.info
        exif = {} if absent else image.getexif()
        return {
            "width": image.width,
            "height": image.height,
            "orientation": exif.get(ORIENTATION, 1),
            "bytes": len(contents),
            "digest": hashlib.blake2b(contents, digest_size=8).hexdigest(),
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
