"""Image files decoded by TensorFlow's operators, as Pillow decodes them.

JPEG files of grey or RGB and PNG files of up to 8 bits a channel never pass
through Python, whose lock all threads would wait for. Other files are decoded
by Pillow and go on as a tensor of pixels.
"""

from typing import NamedTuple

import tensorflow as tf

REDUCTIONS = (1, 2, 4, 8)  # Of a JPEG file, by which its decoder can shrink.
PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_HEADER = 33  # Bytes.
MARGIN = 1  # Pixels beside a crop that its first and last colours depend on.
# EXIF's orientation tag with another value than 1, in either byte order, and
# whatever else may hold one.
ORIENTATION = (
    rb"\C*("
    rb"\x12\x01\x03\x00\x01\x00\x00\x00[\x02-\x08]"
    rb"|\x12\x01[\x01\x02\x04-\x0d]\x00\x01\x00\x00\x00"
    rb"|\x01\x12\x00\x03\x00\x00\x00\x01\x00[\x02-\x08]"
    rb"|\x01\x12\x00[\x01\x02\x04-\x0d]\x00\x00\x00\x01"
    rb"|tiff:Orientation|iTXt|Raw profile type"
    rb")\C*"
)


class StoredImage(NamedTuple):
    """An image before its pixels are used; or a batch of them.

    Attributes:
        contents: Of a JPEG or PNG file, or a serialized uint8 tensor.
        orientation: EXIF's, int32, from 1 (upright) to 8.
        reduction: Which of `REDUCTIONS` the decoder divides its sides by.
        shape: Height and width after that, int32 `[2]`.
    """

    contents: tf.Tensor
    orientation: tf.Tensor
    reduction: tf.Tensor
    shape: tf.Tensor


SIGNATURE = StoredImage(
    tf.TensorSpec([], tf.string),
    tf.TensorSpec([], tf.int32),
    tf.TensorSpec([], tf.int32),
    tf.TensorSpec([2], tf.int32),
)


def stored_image(contents, orientation, decode_other, least_side=None):
    """What a file's header says; of an unusual file all is decoded.

    Args:
        contents, orientation: As a `StoredImage` has them.
        decode_other: A function that decodes other files than JPEG and PNG to
            uint8 `[H, W, 3]`, upright.
        least_side: A JPEG file is decoded smaller, by 2, 4 or 8, while its
            short side has so many pixels; None for its full size.
    """

    def jpeg():
        shape = tf.image.extract_jpeg_shape(contents)[:2]
        reduction = tf.constant(0)
        if least_side is not None:
            enough = tf.reduce_min(shape) >= least_side * tf.constant(
                REDUCTIONS
            )
            reduction = tf.reduce_sum(tf.cast(enough[1:], tf.int32))
        divisor = tf.gather(REDUCTIONS, reduction)
        return StoredImage(
            contents, orientation, reduction, -(-shape // divisor)
        )

    def png():
        sides = tf.io.decode_raw(
            tf.strings.substr(contents, 16, 8), tf.int32, little_endian=False
        )
        return StoredImage(
            contents,
            orientation,
            tf.constant(0),
            tf.ensure_shape(sides[::-1], [2]),
        )

    def other():
        return of_pixels(decode_other(), tf.constant(1))

    return tf.case(
        [(is_plain_jpeg(contents), jpeg), (is_plain_png(contents), png)], other
    )


def of_pixels(pixels, orientation):
    """A `StoredImage` of decoded pixels, uint8 `[H, W, 3]`."""
    return StoredImage(
        tf.io.serialize_tensor(pixels),
        orientation,
        tf.constant(0),
        tf.shape(pixels)[:2],
    )


def decoded(image):
    """A `StoredImage` whose contents are its pixels."""
    return of_pixels(decode_part(image, whole(image)), image.orientation)


def decode(image):
    """All pixels of a `StoredImage`, uint8 `[H, W, 3]`, upright."""
    pixels = decode_part(image, whole(image))
    return apply_orientation(pixels, image.orientation)


def whole(image):
    """The rectangle that is all of a `StoredImage`."""
    return tf.concat([[0, 0], image.shape], 0)


def decode_part(image, rectangle):
    """A rectangle of a `StoredImage`, in its stored orientation.

    It takes the rectangle as int32 `[4]`, top, left, height and width, and
    returns uint8 `[height, width, 3]`.
    """
    contents = image.contents

    def jpeg():
        # Beside a border TensorFlow's decoder interpolates colours otherwise.
        top, left, height, width = tf.unstack(rectangle)
        first = tf.maximum(left - MARGIN, 0)
        last = tf.minimum(left + width + MARGIN, image.shape[1])
        window = tf.stack([top, first, height, last - first])
        pixels = tf.switch_case(
            image.reduction,
            [
                lambda ratio=ratio: tf.image.decode_and_crop_jpeg(
                    contents,
                    window,
                    channels=3,
                    ratio=ratio,
                    dct_method="INTEGER_ACCURATE",
                )
                for ratio in REDUCTIONS
            ],
        )
        return pixels[:, left - first : left - first + width]

    def png():
        return cut(on_white(tf.io.decode_png(contents, channels=4)), rectangle)

    def other():
        pixels = tf.io.parse_tensor(contents, tf.uint8)
        return cut(tf.ensure_shape(pixels, [None, None, 3]), rectangle)

    return tf.case([(is_jpeg(contents), jpeg), (is_png(contents), png)], other)


def cut(pixels, rectangle):
    top, left, height, width = tf.unstack(rectangle)
    return pixels[top : top + height, left : left + width]


def on_white(pixels):
    """uint8 `[H, W, 3]` of RGBA before white, as Pillow composes them."""
    color, alpha = pixels[..., :3], pixels[..., 3:]

    def compose():
        opaque = tf.cast(alpha, tf.int32)
        sums = tf.cast(color, tf.int32) * opaque + 255 * (255 - opaque)
        sums += 128
        # Divided by 255, and rounded.
        shift = tf.bitwise.right_shift
        return tf.cast(shift(shift(sums, 8) + sums, 8), tf.uint8)

    return tf.cond(tf.reduce_all(alpha == 255), lambda: color, compose)


def apply_orientation(image, orientation):
    """uint8 `[H, W, 3]` as people see it, of an EXIF orientation."""

    def turn():
        turned = tf.cond(
            orientation >= 5,
            lambda: tf.transpose(image, [1, 0, 2]),
            lambda: image,
        )
        mirrored = [
            tf.reduce_any(orientation == tf.constant(orientations))
            for orientations in ((3, 4, 7, 8), (2, 3, 6, 7))  # Rows, columns.
        ]
        return tf.reverse(turned, tf.where(mirrored)[:, 0])

    return tf.cond(orientation == 1, lambda: image, turn)


def may_be_turned(contents):
    """Whether the contents of a JPEG or PNG file may hold an orientation."""
    return tf.strings.regex_full_match(contents, ORIENTATION)


def is_jpeg(contents):
    return tf.strings.substr(contents, 0, 3) == b"\xff\xd8\xff"


def is_png(contents):
    return tf.strings.substr(contents, 0, len(PNG_START)) == PNG_START


def is_plain_jpeg(contents):
    """Whether TensorFlow decodes it as Pillow does: CMYK it does not."""
    return tf.cond(
        is_jpeg(contents),
        lambda: tf.image.extract_jpeg_shape(contents)[2] != 4,
        lambda: tf.constant(False),
    )


def is_plain_png(contents):
    """Whether TensorFlow decodes it as Pillow does: 16 bits it does not."""
    return tf.cond(
        is_png(contents) & (tf.strings.length(contents) >= PNG_HEADER),
        lambda: tf.strings.substr(contents, 24, 1) != b"\x10",
        lambda: tf.constant(False),
    )
