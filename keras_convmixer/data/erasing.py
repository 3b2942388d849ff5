"""Random erasing on batches, as timm has it: noise in place of a rectangle."""

import math

import tensorflow as tf

from keras_convmixer.architecture import IMAGENET_MEAN, IMAGENET_STD
from keras_convmixer.data.per_image import (
    apply_each,
    checked_batch,
    unchanged,
)
from keras_convmixer.data.seeds import random_uniform
from keras_convmixer.utils.checks import SHARE, check_number

AREA = (0.02, 1 / 3)
RATIOS = (0.3, 1 / 0.3)
ATTEMPTS = 10  # To draw a rectangle that fits in.


def random_erasing(
    images: tf.Tensor, seeds: tf.Tensor, probability: float = 0.25
) -> tf.Tensor:
    """Puts noise in the place of a random rectangle of some images.

    The noise has ImageNet's mean and deviation.

    Args:
        images: uint8 `[N, H, W, 3]`, RGB.
        seeds: `[N]`, from `image_seeds`; the same seed gives the same image.
        probability: Of an image to be changed.

    Returns:
        uint8 `[N, H, W, 3]`.

    Raises:
        ValueError: If an argument is not what is described.

    Example:
        import tensorflow as tf
        from keras_convmixer.data import image_seeds, random_erasing

        images = tf.zeros([8, 32, 32, 3], "uint8")
        erased = random_erasing(images, image_seeds(0, tf.range(8)))
    """
    check_number("probability", probability, SHARE)
    images, seeds = checked_batch(images, seeds)
    rectangles, fits = random_rectangles(tf.shape(images)[1:3], seeds)
    drawn = random_uniform(seeds, "erasing", 1)[:, 0] < probability

    def erase_all(*chosen: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            erase,
            chosen,
            fn_output_signature=tf.TensorSpec(images.shape[1:], tf.uint8),
        )

    return apply_each(
        (unchanged, erase_all),
        tf.cast(drawn & fits, tf.int32),
        images,
        rectangles,
        seeds,
    )


def random_rectangles(
    sides: tf.Tensor, seeds: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The first rectangle of each seed's `ATTEMPTS` that is smaller.

    The sides are height and width of the images. The rectangles are int32
    `[N, 4]`: top, left, height and width. A bool `[N]` says whether there is
    one.
    """
    drawn = random_uniform(seeds, "erased rectangle", 2 * ATTEMPTS + 2)
    share, exponent = drawn[:, :ATTEMPTS], drawn[:, ATTEMPTS:-2]
    limit = tf.cast(sides, tf.float32)
    area = tf.reduce_prod(limit) * (AREA[0] + (AREA[1] - AREA[0]) * share)
    low, high = map(math.log, RATIOS)
    ratio = tf.exp(low + (high - low) * exponent)
    sizes = tf.round(
        tf.sqrt(tf.stack([area * ratio, area / ratio], -1))
    )  # [N, attempt, 2]
    fits = tf.reduce_all(sizes < limit, -1)
    first = tf.argmax(fits, 1, tf.int32)
    size = tf.gather(sizes, first, batch_dims=1)
    corner = tf.floor(drawn[:, -2:] * (limit - size + 1))
    corner = tf.minimum(corner, limit - size)
    rectangles = tf.cast(tf.concat([corner, size], 1), tf.int32)
    return rectangles, tf.reduce_any(fits, 1)


def erase(example: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """One image with noise in one rectangle."""
    image, rectangle, seed = example
    top, left, height, width = tf.unstack(rectangle)
    noise = tf.random.stateless_normal(
        [height, width, 3], tf.bitcast([seed, seed], tf.int64)
    )
    noise = 255 * (noise * IMAGENET_STD + IMAGENET_MEAN)
    noise = tf.cast(tf.clip_by_value(tf.round(noise), 0, 255), tf.uint8)
    rows = image[top : top + height]
    rows = tf.concat([rows[:, :left], noise, rows[:, left + width :]], 1)
    return tf.concat([image[:top], rows, image[top + height :]], 0)
