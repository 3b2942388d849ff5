"""Photos as files: read as people see them.

Light to import: `classify` reads a photo without TensorFlow.
"""

import contextlib
import importlib
import importlib.util
import io
import os
import struct
from collections.abc import Iterator

import numpy as np
from PIL import (
    Image,
    ImageFile,
    TiffImagePlugin,
    UnidentifiedImageError,
    features,
)

from keras_convmixer.data.crop import check_aspect_ratio
from keras_convmixer.data.image_files import START_BYTES, missing_decoder
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.types import StrPath

Image.init()  # Threads that open their first image together would disturb it.

# What PIL reads by itself: for others, it runs other programs.
FORMATS = ["BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP"]
if "avif" in features.get_supported_modules():
    FORMATS.append("AVIF")
if importlib.util.find_spec("pillow_heif"):  # The extra `heic`.
    importlib.import_module("pillow_heif").register_heif_opener()
    FORMATS.append("HEIF")

MAX_PIXELS = 2**30 // 12  # As RGB they fill 256 MB; PIL warns of more.
ORIENTATION = 0x0112  # EXIF's tag.
# EXIF's orientations, by what makes the image upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Formats whose "I" mode of 32-bit integers holds 16 bits by definition.
SIXTEEN_BITS = ("PNG", "PPM")
BITS_PER_SAMPLE = 258  # TIFF's tag.


def read_image(path: StrPath, contents: bytes | None = None) -> np.ndarray:
    """Reads an image as people see it.

    Its EXIF orientation is applied; 16-bit levels become 8-bit, transparency
    white, grey and CMYK RGB; of an animation the first image is taken.

    Args:
        path: The file.
        contents: What is in it, if that was read before.

    Returns:
        uint8 `[height, width, 3]`.

    Raises:
        ValueError: If it is no image, a broken one, has more than 89
            million pixels, is longer than 32 times its width, or has values
            whose range is unknown.

    Example:
        image = center_crop(read_image("photo.jpg"), 224)
    """
    contents = read_file(path) if contents is None else contents
    with opened(path, contents) as image:
        rgb = as_rgb(image)
        return np.asarray(apply_orientation(rgb, orientation_of(image)))


def read_orientation(contents: bytes) -> int:
    """The EXIF orientation of an image file's contents, from 1 to 8."""
    with opened("an image", contents) as image:
        return orientation_of(image)


@contextlib.contextmanager
def opened(path: StrPath, contents: bytes) -> Iterator[ImageFile.ImageFile]:
    """The `PIL.Image` of a file's contents; only its header has been read.

    Raises what `read_image` raises, also for what is done with it. The path
    is for messages.
    """
    too_large = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    broken = (OSError, ValueError, SyntaxError, EOFError, struct.error)
    try:
        with Image.open(io.BytesIO(contents), formats=FORMATS) as image:
            check_aspect_ratio(*image.size)
            if image.width * image.height > MAX_PIXELS:
                raise UserError(
                    f"it must have at most {MAX_PIXELS:,} pixels. Received: "
                    f"{image.width} x {image.height}"
                )
            yield image
    except UnidentifiedImageError:
        reason = missing_decoder(contents[:START_BYTES])
        reason = reason or "its contents are of no known image format"
        raise UserError(f"{path} can't be read as an image: {reason}") from None
    except (*broken, *too_large) as error:
        raise UserError(f"{path} can't be read as an image: {error}") from None


def read_file(path: StrPath) -> bytes:
    """The bytes of an image file; a UserError if it can't be read."""
    try:
        # A pipe would wait for somebody to write into it.
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError("it is not a file")
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UserError(f"{path} can't be read as an image: {error}") from None


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation of a `PIL.Image`, from 1 (upright) to 8.

    No other tag is looked at, and a value that is no orientation is 1: cameras
    and programs write odd ones. Pillow turns a TIFF file when it is loaded:
    call this afterwards.
    """
    # For malformed data Pillow has errors of nearly every kind.
    try:
        value = image.getexif().get(ORIENTATION)
    except Exception:
        return 1
    if isinstance(value, bytes) and len(value) == 1:
        (value,) = value
    return value if type(value) is int and 1 <= value <= 8 else 1


def apply_orientation(image: Image.Image, orientation: int) -> Image.Image:
    """A `PIL.Image` as people see it, of one with that EXIF orientation."""
    turn = UPRIGHT.get(int(orientation))
    return image if turn is None else image.transpose(turn)


def as_rgb(image: ImageFile.ImageFile) -> Image.Image:
    """An opened `PIL.Image` of any mode as RGB, transparency as white.

    Raises a UserError if nothing says which of its values is white.
    """
    if image.mode == "F" or (
        image.mode == "I" and image.format not in SIXTEEN_BITS
    ):
        kind = "floating-point" if image.mode == "F" else "signed or 32-bit"
        raise UserError(
            f"its values are {kind} numbers, and nothing says which of them "
            "is white: save it with 8 or 16 bits a channel"
        )
    has_16_bits = any(";16" in str(tile.args) for tile in image.tile)
    if image.mode.startswith("I"):
        return Image.fromarray(as_8_bits(image)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        rgb = Image.alpha_composite(white, rgba).convert("RGB")
    else:
        rgb = image.convert("RGB")
    if has_16_bits:
        # Pillow kept the high byte of each level.
        high = int(np.max(rgb.getextrema()))
        check_16_bits(256 * high + 255)
    return rgb


def as_8_bits(image: ImageFile.ImageFile) -> np.ndarray:
    """uint8 `[height, width]` of a grey image with 16 or 12 bits a pixel."""
    levels = np.asarray(image).astype("int64").clip(0, 2**16 - 1)
    white, bits = 2**16 - 1, None
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = image.tag_v2.get(BITS_PER_SAMPLE)
    if bits == (12,):
        white = 2**12 - 1
    else:
        check_16_bits(levels.max())
    return ((255 * levels + white // 2) // white).astype("uint8")


def check_16_bits(highest: int) -> None:
    """A UserError for 16-bit levels that seem to be of fewer bits.

    Images of 12 bits that are stored in 16, as microscopes and raw converters
    do, would be black.
    """
    if 0 < highest < 2**12:
        raise UserError(
            f"it has 16 bits a channel and no level above {highest}, so it "
            "would be black: scale its levels to 16 bits, or save it with 8"
        )
