"""A recipe's random changes to training images, in batches.

All of it is TensorFlow operators: no thread waits for Python's lock.
"""

import math
from functools import partial

import tensorflow as tf

from keras_convmixer.data import file_ops
from keras_convmixer.data.erasing import random_erasing
from keras_convmixer.data.geometry import affine
from keras_convmixer.data.mixing import cutmix, mixup
from keras_convmixer.data.per_image import apply_each, unchanged
from keras_convmixer.data.randaugment import rand_augment
from keras_convmixer.data.resize import (
    Filter,
    center_square,
    resize_crop,
    resize_crops,
)
from keras_convmixer.data.seeds import fold_in, random_uniform

CROP_RATIOS = (3 / 4, 4 / 3)  # Width to height.
ATTEMPTS = 10  # To draw a rectangle that fits in.
BLACK = (0, 0, 0)


class Augmentation:
    """The augmentation of a `Recipe`, as functions of images and seeds.

    The same seed gives the same changes.
    """

    def __init__(self, recipe):
        self.recipe = recipe

    @property
    def least_side(self):
        """Pixels of the short side that crops need; None for all of them.

        With so many the smallest crop is not enlarged. Decoding at reduced size
        averages pixels, so images that are resized without antialiasing are
        decoded in full.
        """
        if self.recipe.crop == 1 or self.recipe.aliased_resize:
            return None
        return math.ceil(self.recipe.image_size / math.sqrt(self.recipe.crop))

    def crop(self, images, seeds):
        """The part of each image that is trained on, resized to a square.

        Args:
            images: A batch of `StoredImage`, that is of its four tensors; or
                small images of one size, uint8 `[N, H, W, 3]`, upright, of a
                recipe with a crop below 1.
            seeds: `[N]`, from `image_seeds`.

        Returns:
            uint8 `[N, size, size, 3]`.
        """
        size, least_area = self.recipe.image_size, self.recipe.crop
        filters = random_filters(self.recipe.aliased_resize, seeds)
        if isinstance(images, tf.Tensor):
            shapes = tf.tile([[*images.shape[1:3]]], [tf.size(seeds), 1])
            rectangles = random_rectangles(least_area, shapes, seeds)
            return resize_crops(images, rectangles, size, filters)
        if least_area == 1:

            def square(image):
                return center_square(file_ops.decode(image), size)

            examples = images
        else:

            def square(example):
                image, rectangle, filter_number = example
                part = file_ops.decode_part(image, rectangle)
                part = resize_crop(part, size, filter_number)
                return file_ops.apply_orientation(part, image.orientation)

            rectangles = random_rectangles(least_area, images.shape, seeds)
            examples = images, rectangles, filters
        return tf.map_fn(
            square,
            examples,
            parallel_iterations=1,
            fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8),
        )

    def change(self, images, seeds):
        """Random changes to training images that keep their size.

        Args:
            images: uint8 `[N, size, size, 3]`, as those returned.
            seeds: `[N]`, from `image_seeds`.
        """
        recipe = self.recipe
        if recipe.flip:
            images = random_flip(images, seeds)
        if recipe.shift:
            images = random_shift(images, seeds, recipe.shift)
        if recipe.rand_augment:
            images = rand_augment(images, seeds, recipe.rand_augment)
        if recipe.erasing:
            images = random_erasing(images, seeds, recipe.erasing)
        return images

    def mix(self, images, labels, seed):
        """Mixes the images of a batch, by mixup or cutmix at random.

        Args:
            images: `[N, H, W, 3]`, 0 to 255.
            labels: One-hot, `[N, classes]`.
            seed: Integer tensor of two elements.

        Returns:
            `(images, labels)`, float32 where they were mixed.
        """
        kinds = (mixup, self.recipe.mixup), (cutmix, self.recipe.cutmix)
        mixers = [
            partial(mixer, images, labels, alpha, fold_in(seed, 0))
            for mixer, alpha in kinds
            if alpha
        ]
        if not mixers:
            return images, labels
        index = tf.random.stateless_uniform(
            (), fold_in(seed, 1), 0, len(mixers), tf.int32
        )
        return tf.switch_case(index, mixers)


def random_rectangles(least_area, shapes, seeds):
    """A part of each image as timm draws it.

    Its area is uniform, at least that share of the image's; the logarithm of
    the ratio of its sides is uniform too. Of ten drawn it is the first that
    fits, else the largest in the middle whose sides are no longer to each
    other than 4 to 3. All of this is the same for an image on its side.

    The shapes are heights and widths, int32 `[N, 2]`; the rectangles top, left,
    height and width in pixels, int32 `[N, 4]`.
    """
    drawn = random_uniform(seeds, "rectangle", 2 * ATTEMPTS + 2)
    sides = tf.cast(shapes, tf.float32)
    share = least_area + (1 - least_area) * drawn[:, :ATTEMPTS]
    area = tf.reduce_prod(sides, 1, keepdims=True) * share
    low, high = map(math.log, CROP_RATIOS)
    ratio = tf.exp(low + (high - low) * drawn[:, ATTEMPTS:-2])
    sizes = tf.round(tf.sqrt(tf.stack([area / ratio, area * ratio], -1)))
    fits = tf.reduce_all(sizes <= sides[:, None], -1)
    first = tf.gather(sizes, tf.argmax(fits, 1), batch_dims=1)
    middle = tf.minimum(sides, tf.round(CROP_RATIOS[1] * sides[:, ::-1]))
    found = tf.reduce_any(fits, 1, keepdims=True)
    size = tf.maximum(tf.where(found, first, middle), 1)
    place = tf.where(found, drawn[:, -2:], 0.5)
    corner = tf.minimum(tf.floor(place * (sides - size + 1)), sides - size)
    return tf.cast(tf.concat([corner, size], 1), tf.int32)


def random_filters(aliased_share, seeds):
    """The `Filter` of each image's crop, int32 `[N]`.

    That share of the images is resized without antialiasing: half of them
    bilinearly, half by nearest neighbour. Of the others half is bicubic.
    """
    second = random_uniform(seeds, "interpolation", 1) < 0.5
    aliased = random_uniform(seeds, "aliased_resize", 1) < aliased_share
    return tf.where(
        aliased,
        tf.where(second, Filter.NEAREST, Filter.ALIASED_BILINEAR),
        tf.where(second, Filter.BICUBIC, Filter.BILINEAR),
    )[:, 0]


def random_flip(images, seeds):
    """Mirrors half of the images left to right."""
    flipped = random_uniform(seeds, "flip", 1)[:, 0] < 0.5
    # To choose among all images and all mirrored ones takes several times as
    # long.
    return apply_each(
        (unchanged, lambda images: tf.reverse(images, [2])),
        tf.cast(flipped, tf.int32),
        images,
    )


def random_shift(images, seeds, share):
    """Moves images by at most a share of their sides, and fills with black."""
    height, width = images.shape[1:3]
    x, y = tf.unstack(
        share * (2 * random_uniform(seeds, "shift", 2) - 1), axis=1
    )
    return affine(images, 1, 0, x * width, 0, 1, y * height, fill=BLACK)
