"""Which files are images: by their suffix, else by their first bytes."""

import re

# Taken for images by their name alone; what is in them decides how they are
# read.
SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe"),
    *(".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"),
)
START_BYTES = 32
# With the sizes of the headers that there are: many texts begin with BM.
BMP = re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)
SIGNATURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF.{4}WEBP"
    rb"|II[*+]\0|MM\0[*+]|P[1-6][\s#]"
    rb"|\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n",
    re.DOTALL,
)
# Brands of the ISO container that MP4 has too.
AVIF = re.compile(rb".{4}ftyp.*avi[fs]", re.DOTALL)
HEIC = re.compile(rb".{4}ftyp.*(hei[cmsx]|hev[cmsx]|mif1|msf1)", re.DOTALL)


def is_image(start):
    """Whether a file is an image, by its first `START_BYTES` bytes."""
    return any(
        pattern.match(start) for pattern in (SIGNATURES, BMP, AVIF, HEIC)
    )


def missing_decoder(start):
    """What to install to read a file that Pillow can't read, "" for nothing.

    Args:
        start: The file's first `START_BYTES` bytes.
    """
    if AVIF.match(start):
        return "AVIF needs Pillow 11.3 or later"
    if HEIC.match(start):
        return "HEIC needs pip install 'keras-convmixer[heic]'"
    return ""
