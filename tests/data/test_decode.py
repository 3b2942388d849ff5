"""Image files of every kind: as people see them, or refused, never black."""

import io
import os
import struct
import warnings

import numpy as np
import PIL
import pytest
from PIL import Image

from keras_convmixer.data.decode import FORMATS, read_image
from keras_convmixer.data.make_index import describe
from keras_convmixer.utils.checks import UserError

RAMP = np.tile(np.linspace(0, 1, 16, dtype="float32"), (16, 1))
LEVELS = np.rint(255 * RAMP).astype("uint8")
WIDE = Image.fromarray(
    np.stack([LEVELS[:8], LEVELS.T[:8], 0 * LEVELS[:8]], -1)
)  # 16 x 8
BYTE, TEXT, SHORT, LONG, RATIONAL, SIGNED_BYTE = 1, 2, 3, 4, 5, 6


def short_id(value):
    """Of a parameter: the contents of a file say nothing in a test's name."""
    return "file" if isinstance(value, bytes) else None


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def fields_of(tags, offset):
    """An image file directory with what does not fit into it behind it."""
    entries, behind = b"", b""
    end = offset + 2 + 12 * len(tags) + 4
    for number, kind, count, value in sorted(tags):
        if len(value) > 4:
            place = struct.pack("<L", end + len(behind))
            value, behind = place, behind + value
        entries += struct.pack("<HHL", number, kind, count)
        entries += value.ljust(4, b"\0")
    return struct.pack("<H", len(tags)) + entries + bytes(4) + behind


def jpeg_with_exif(*tags):
    """`WIDE` with EXIF tags: (number, TIFF type, count, bytes)."""
    exif = b"Exif\0\0II*\0" + struct.pack("<L", 8) + fields_of(tags, 8)
    contents = encoded(WIDE, "JPEG", quality=100)
    length = struct.pack(">H", len(exif) + 2)
    return contents[:2] + b"\xff\xe1" + length + exif + contents[2:]


def tiff(pixels, bits, photometric=1, samples=1, sample_format=1, tags=()):
    """A TIFF file of those bytes, 16 pixels wide."""
    if not isinstance(pixels, bytes):
        pixels = pixels.tobytes()
    numbers = {
        256: 16,
        257: len(pixels) * 8 // (bits * samples * 16),
        259: 1,
        262: photometric,
        273: 8,
        277: samples,
        279: len(pixels),
        339: sample_format,
    }
    short = [(n, LONG, 1, struct.pack("<L", v)) for n, v in numbers.items()]
    depth = struct.pack(f"<{samples}H", *[bits] * samples)
    offset = 8 + len(pixels)
    fields = fields_of([*short, (258, SHORT, samples, depth), *tags], offset)
    return b"II*\0" + struct.pack("<L", offset) + pixels + fields


def orientation(kind, value, count=1):
    return 0x112, kind, count, value


SIX = np.asarray(WIDE.transpose(Image.Transpose.ROTATE_270))
ONE = np.asarray(WIDE)
RESOLUTION_AS_TEXT = (282, TEXT, 3, b"72\0")
BROKEN_OFFSET = (270, TEXT, 5000, struct.pack("<L", 10**6))


ORIENTATIONS = [
    ([orientation(SHORT, b"\6\0")], SIX),
    ([orientation(SHORT, b"\6\0"), RESOLUTION_AS_TEXT], SIX),
    ([orientation(SHORT, b"\6\0"), BROKEN_OFFSET], SIX),
    ([orientation(BYTE, b"\6")], SIX),
    ([orientation(LONG, b"\6\0\0\0")], SIX),
    ([orientation(SIGNED_BYTE, b"\6")], SIX),
    ([orientation(TEXT, b"6\0", 2)], ONE),
    ([orientation(SHORT, b"\x09\0")], ONE),
    ([orientation(SHORT, b"\0\0")], ONE),
    # Pillow takes the first of several values.
    ([orientation(SHORT, b"\6\0\6\0", 2)], SIX),
    ([orientation(BYTE, b"\6\6", 2)], ONE),
    ([orientation(99, b"\6")], ONE),
]
# Of a TIFF file Pillow takes these for integers.
RATIONALS = [
    ([orientation(RATIONAL, struct.pack("<2L", 6, 1))], ONE),
    ([orientation(RATIONAL, struct.pack("<2L", 6, 0))], ONE),
]


@pytest.mark.parametrize(
    ("kind", "tags", "expected"),
    [
        *(("jpeg", *pair) for pair in ORIENTATIONS + RATIONALS),
        *(("tiff", *pair) for pair in ORIENTATIONS),
    ],
)
def test_only_a_valid_orientation_turns_an_image(
    kind, tags, expected, tmp_path
):
    if BROKEN_OFFSET in tags and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow 13 is the first that reads the other tags")
    if kind == "jpeg":
        contents = jpeg_with_exif(*tags)
    else:
        contents = tiff(WIDE.tobytes(), 8, 2, 3, tags=tags)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of the odd tag.
        pixels = read_image("photo", contents)
        (tmp_path / "photo").write_bytes(contents)
        row = describe(tmp_path / "photo")
    assert pixels.shape == expected.shape
    assert np.abs(np.int16(pixels) - expected).max() <= 16  # JPEG's loss.
    if kind == "jpeg":
        assert row["orientation"] == (6 if expected is SIX else 1)


def packed_12_bits():
    levels = np.rint(4095 * RAMP).astype(int).reshape(-1, 2).tolist()
    packed = bytearray()
    for one, two in levels:
        packed += bytes([one >> 4, (one & 15) << 4 | two >> 8, two & 255])
    return bytes(packed)


def rgb(levels):
    return np.stack([levels] * 3, -1)


SIXTEEN = np.rint(65535 * RAMP).astype("uint16")
GREY = Image.fromarray(LEVELS)


@pytest.mark.parametrize(
    "contents",
    [
        encoded(Image.fromarray(SIXTEEN), "TIFF"),
        encoded(Image.fromarray(SIXTEEN), "TIFF", compression="tiff_lzw"),
        encoded(
            Image.frombytes("I;16B", (16, 16), SIXTEEN.astype(">u2").tobytes()),
            "TIFF",
        ),
        encoded(Image.fromarray(SIXTEEN), "PNG"),
        encoded(Image.fromarray(SIXTEEN), "JPEG2000"),
        b"P5 16 16 65535\n" + SIXTEEN.astype(">u2").tobytes(),
        b"P5 16 16 4095\n" + (SIXTEEN // 16).astype(">u2").tobytes(),
        tiff(rgb(SIXTEEN), 16, 2, 3),
        tiff(packed_12_bits(), 12),
        encoded(GREY.convert("LA"), "TIFF"),
        encoded(GREY.convert("PA"), "TIFF"),
        encoded(GREY.convert("CMYK"), "TIFF"),
        encoded(GREY.convert("CMYK"), "JPEG", quality=100),
        encoded(GREY.convert("P"), "GIF"),
    ],
    ids=short_id,
)
def test_every_depth_and_mode_is_the_same_grey(contents):
    pixels = read_image("photo", contents)
    assert np.abs(np.int16(pixels) - LEVELS[..., None]).max() <= 4


def test_one_bit_is_black_and_white():
    pixels = read_image("photo", encoded(GREY.convert("1"), "TIFF"))
    assert set(np.unique(pixels)) == {0, 255}


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (encoded(Image.fromarray(RAMP), "TIFF"), "floating-point"),
        (encoded(Image.fromarray(255 * RAMP), "TIFF"), "floating-point"),
        (
            encoded(Image.fromarray(np.where(RAMP > 0, RAMP, np.nan)), "TIFF"),
            "floating-point",
        ),
        (b"Pf\n16 16\n-1.0\n" + RAMP.tobytes(), "floating-point"),
        (encoded(Image.fromarray(np.int32(255 * RAMP)), "TIFF"), "32-bit"),
        (tiff(np.uint32(2e9 * RAMP), 32), "32-bit"),
        (tiff(np.int16(32767 * RAMP), 16, sample_format=2), "signed"),
        (
            encoded(Image.fromarray(SIXTEEN // 16), "TIFF"),
            "no level above 4095",
        ),
        (encoded(Image.fromarray(SIXTEEN // 257), "PNG"), "no level above 255"),
        (tiff(rgb(SIXTEEN // 16), 16, 2, 3), "no level above 4095"),
        (tiff(rgb(SIXTEEN // 257), 16, 2, 3), "no level above 255"),
    ],
    ids=short_id,
)
def test_values_of_unknown_range_are_refused_and_not_black(
    contents, words, tmp_path
):
    with pytest.raises(UserError, match=words):
        read_image("photo", contents)
    (tmp_path / "photo").write_bytes(contents)
    with pytest.raises(UserError, match=words):
        describe(tmp_path / "photo")


def test_transparency_of_a_palette_is_white():
    image = GREY.convert("P")
    contents = encoded(image, "PNG", transparency=bytes(256))
    assert (read_image("photo", contents) == 255).all()


def test_what_can_read_a_format_is_named():
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    avif = b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(100)
    for contents, kind, words in (
        (heic, "HEIF", r"HEIC needs pip install 'keras-convmixer\[heic\]'"),
        (avif, "AVIF", "AVIF needs Pillow 11.3"),
    ):
        known = kind in FORMATS
        with pytest.raises(UserError, match=None if known else words):
            read_image("photo", contents)


@pytest.mark.skipif("AVIF" not in FORMATS, reason="Pillow has no AVIF here")
def test_avif_is_read():
    pixels = read_image("photo", encoded(GREY.convert("RGB"), "AVIF"))
    assert np.abs(np.int16(pixels) - LEVELS[..., None]).max() <= 12


@pytest.mark.skipif("HEIF" not in FORMATS, reason="needs the extra heic")
def test_heic_is_read():
    pixels = read_image("photo", encoded(GREY.convert("RGB"), "HEIF"))
    assert np.abs(np.int16(pixels) - LEVELS[..., None]).max() <= 12


def test_the_limit_of_pixels_leaves_the_filters_of_warnings_alone():
    too_large = encoded(Image.new("1", (9500, 9500)), "PNG")
    before = list(warnings.filters)
    with pytest.raises(UserError, match="can't be read"):
        read_image("photo", too_large)
    assert warnings.filters == before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UserError, match="at most 89,478,485 pixels"):
            read_image("photo", too_large)


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for read in (read_image, describe):
        with pytest.raises(UserError, match="it is not a file"):
            read(tmp_path / "pipe.jpg")
