"""RandAugment on batches, as timm has it: two operations drawn per image.

Source: Cubuk et al., "RandAugment" (2019), arXiv:1909.13719. Operations,
strengths and probabilities are those of timm's `rand-m9-mstd0.5-inc1`, with
which the authors of ConvMixer trained. All of it is TensorFlow operators, so
that nothing in a `tf.data` pipeline waits for Python's lock.

Each operation equals Pillow's within one level. Shears and translations are
bilinear or bicubic at random, as in timm; rotation is always bilinear, since
TensorFlow has no bicubic operator for it.
"""

import math

import tensorflow as tf

from keras_convmixer.architecture import IMAGENET_MEAN
from keras_convmixer.data.geometry import affine, shift, transpose
from keras_convmixer.data.per_image import (
    apply_each,
    checked_batch,
    per_image,
    unchanged,
)
from keras_convmixer.data.seeds import random_normal, random_uniform
from keras_convmixer.utils.checks import check_number, numbers_from_0_to

FILL = tuple(round(255 * mean) for mean in IMAGENET_MEAN)
MAX_MAGNITUDE = 10
DEVIATION = 0.5  # Of the magnitudes of the images.
ROUNDS = 2
PROBABILITY = 0.5  # That an operation that was drawn is applied.
SMOOTH_CENTER, SMOOTH_SUM = 5, 13  # Pillow's SMOOTH kernel; its rest is ones.


def rand_augment(
    images: tf.Tensor, seeds: tf.Tensor, magnitude: float = 9.0
) -> tf.Tensor:
    """Applies two random operations to each image, each with probability 1/2.

    Args:
        images: uint8 `[N, H, W, 3]`, RGB.
        seeds: `[N]`, from `image_seeds`; the same seed gives the same image.
        magnitude: Mean strength, from 0 to 10.

    Returns:
        uint8 `[N, H, W, 3]`.

    Raises:
        ValueError: If an argument is not what is described.

    Example:
        import tensorflow as tf
        from keras_convmixer.data import image_seeds, rand_augment

        def augment(step, images):
            numbers = 4 * step + tf.range(4, dtype="int64")
            return rand_augment(images, image_seeds(0, numbers))

        images = tf.data.Dataset.from_tensors(tf.ones([32, 32, 3], "uint8"))
        batches = images.repeat(8).batch(4, drop_remainder=True)
        batches = batches.enumerate().map(augment, tf.data.AUTOTUNE)
    """
    check_number("magnitude", magnitude, numbers_from_0_to(MAX_MAGNITUDE))
    images, seeds = checked_batch(images, seeds)
    for number in range(ROUNDS):
        drawn = random_uniform(seeds, f"operation {number}", 4)
        strength = magnitude + DEVIATION * random_normal(
            seeds, f"strength {number}"
        )
        images = apply_operations(
            images,
            tf.where(
                drawn[:, 0] < PROBABILITY,
                tf.cast(drawn[:, 1] * len(OPERATIONS), tf.int32),
                len(OPERATIONS),
            ),
            tf.clip_by_value(strength, 0, MAX_MAGNITUDE) / MAX_MAGNITUDE,
            tf.where(drawn[:, 2] < 0.5, 1.0, -1.0),
            drawn[:, 3] < 0.5,
        )
    return images


# Its graph is built once, for both rounds and for all pipelines.
@tf.function(autograph=False)
def apply_operations(images, numbers, strengths, signs, cubic):
    """Applies one operation to each image, each to those that drew it.

    Args:
        images: uint8 `[N, H, W, 3]`.
        numbers: int32 `[N]`, indices into `OPERATIONS`; the number after the
            last one leaves an image unchanged.
        strengths: float32 `[N]`, from 0 to 1.
        signs: float32 `[N]`, 1 or -1, for operations with two directions.
        cubic: bool `[N]`: shears and translations are bicubic, not bilinear.
    """
    return apply_each(
        (*OPERATIONS, unchanged), numbers, images, strengths, signs, cubic
    )


def auto_contrast(images, *others):
    low = tf.cast(tf.reduce_min(images, [1, 2], keepdims=True), tf.float32)
    high = tf.cast(tf.reduce_max(images, [1, 2], keepdims=True), tf.float32)
    flat = high <= low  # Such a channel stays as it is.
    low = tf.where(flat, 0.0, low)
    span = tf.where(flat, 255.0, high - low)
    return tf.cast((tf.cast(images, tf.float32) - low) * 255 / span, tf.uint8)


def equalize(images, *others):
    shape = tf.shape(images)
    count, channels = shape[0], 3 * shape[0]
    # Channel after channel, the levels of each from 256 times its number on.
    first = tf.reshape(256 * tf.range(channels), [count, 1, 1, 3])
    levels = tf.cast(images, tf.int32) + first
    histogram = tf.math.bincount(
        tf.reshape(levels, [tf.size(levels)]),
        minlength=256 * channels,
        maxlength=256 * channels,
    )
    histogram = tf.reshape(histogram, [channels, 256])
    highest = 255 - tf.argmax(histogram[:, ::-1] > 0, 1, tf.int32)
    total = shape[1] * shape[2]
    rest = total - tf.gather(histogram, highest, batch_dims=1)
    step = (rest // 255)[:, None]
    below = tf.cumsum(histogram, 1, exclusive=True)
    table = (below + step // 2) // tf.maximum(step, 1)
    table = tf.where(step > 0, tf.minimum(table, 255), tf.range(256)[None])
    table = tf.reshape(tf.cast(table, tf.uint8), [256 * channels])
    return tf.gather(table, levels)


def invert(images, *others):
    return 255 - images


def posterize(images, strengths, *others):
    # Without a bit there would be no image.
    bits = tf.maximum(1, 4 - tf.cast(4 * strengths, tf.int32))
    mask = tf.cast(256 - 2 ** (8 - bits), tf.uint8)
    return tf.bitwise.bitwise_and(images, per_image(mask))


def solarize(images, strengths, *others):
    # A threshold of 256, which uint8 lacks, inverts no level.
    threshold = 256 - tf.cast(256 * strengths, tf.int32)
    change = tf.cast(tf.where(threshold < 256, 255, 0), tf.uint8)
    threshold = tf.cast(tf.minimum(threshold, 255), tf.uint8)
    chosen = tf.cast(images >= per_image(threshold), tf.uint8)
    return tf.bitwise.bitwise_xor(images, chosen * per_image(change))


def solarize_add(images, strengths, *others):
    added = per_image(tf.cast(110 * strengths, tf.uint8))
    return images + tf.cast(images < 128, tf.uint8) * added


def color(images, strengths, signs, *others):
    return enhance(grey(images), images, strengths, signs)


def contrast(images, strengths, signs, *others):
    mean = tf.reduce_mean(grey(images), [1, 2, 3], keepdims=True)
    return enhance(tf.floor(mean + 0.5), images, strengths, signs)


def brightness(images, strengths, signs, *others):
    return enhance(0.0, images, strengths, signs)


def sharpness(images, strengths, signs, *others):
    levels = tf.cast(images, tf.float32)
    rows = levels[:, :-2] + levels[:, 1:-1] + levels[:, 2:]
    sums = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    inner = levels[:, 1:-1, 1:-1]
    smooth = (sums + (SMOOTH_CENTER - 1) * inner) / SMOOTH_SUM
    # Pillow rounds it, and leaves the border as it is.
    change = tf.floor(smooth + 0.5) - inner
    change = tf.pad(change, [[0, 0], [1, 1], [1, 1], [0, 0]])
    return enhance(levels + change, levels, strengths, signs)


def rotate(images, strengths, signs, *others):
    angle = -math.radians(30) * strengths * signs
    cos, sin = tf.cos(angle), tf.sin(angle)
    height, width = tf.unstack(tf.cast(tf.shape(images)[1:3], tf.float32))
    x, y = width / 2, height / 2
    return affine(
        images,
        *(cos, sin, x - cos * x - sin * y),
        *(-sin, cos, y + sin * x - cos * y),
        fill=FILL,
    )


def shear_x(images, strengths, signs, cubic):
    height = tf.cast(tf.shape(images)[1], tf.float32)
    middle = tf.range(height) + 0.5  # Of each row.
    offsets = (0.3 * strengths * signs)[:, None] * middle
    return shift(images, offsets, cubic, FILL)


def shear_y(images, strengths, signs, cubic):
    return transpose(shear_x(transpose(images), strengths, signs, cubic))


def translate_x(images, strengths, signs, cubic):
    return transpose(translate_y(transpose(images), strengths, signs, cubic))


def translate_y(images, strengths, signs, cubic):
    height = tf.cast(tf.shape(images)[1], tf.float32)
    return shift(images, 0.45 * strengths * signs * height, cubic, FILL)


def enhance(degenerate, images, strengths, signs):
    """From a degenerate version of images to more of what they have."""
    # A factor of `PIL.ImageEnhance`: 1 leaves an image unchanged.
    factors = tf.maximum(0.1, 1 + 0.9 * strengths * signs)
    levels = tf.cast(images, tf.float32)
    levels = degenerate + per_image(factors) * (levels - degenerate)
    return tf.cast(tf.clip_by_value(levels, 0, 255), tf.uint8)


def grey(images):
    """Pillow's luminance, float32 `[N, H, W, 1]` of whole levels."""
    levels = tf.cast(images, tf.float32)
    red, green, blue = tf.split(levels, 3, -1)
    # Sums below 2**24 are exact.
    total = 19595 * red + 38470 * green + 7471 * blue + 32768
    return tf.floor(total / 65536)


OPERATIONS = (
    auto_contrast,
    equalize,
    invert,
    rotate,
    posterize,
    solarize,
    solarize_add,
    color,
    contrast,
    brightness,
    sharpness,
    shear_x,
    shear_y,
    translate_x,
    translate_y,
)
