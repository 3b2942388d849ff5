"""Random changes to training images.

Each picture is changed by itself, by Pillow, which gives other threads their
turn meanwhile; batches are mixed by Keras' layers.
"""

import math
from functools import partial

import numpy as np
import tensorflow as tf
from keras import layers
from PIL import Image

from keras_convmixer.architecture import IMAGENET_MEAN, IMAGENET_STD
from keras_convmixer.data.crop import square_crop
from keras_convmixer.data.decode import apply_orientation
from keras_convmixer.data.pictures import whole
from keras_convmixer.data.rand_augment import rand_augment, resampling
from keras_convmixer.data.seeds import SeededLayer, fold_in

CROP_RATIOS = (3 / 4, 4 / 3)  # Width to height.
ERASED_AREA = (0.02, 1 / 3)
ERASED_RATIOS = (0.3, 1 / 0.3)
ATTEMPTS = 10  # To draw a rectangle that fits in.


class Augmentation:
    """A recipe's augmentation, as functions of pictures and a seed.

    Seeds are integer tensors of two elements; the same one gives the same
    changes.

    Args:
        recipe: A `Recipe`.
    """

    def __init__(self, recipe):
        self.recipe = recipe
        self.mixers = []
        for alpha, layer in (
            (recipe.mixup, layers.MixUp),
            (recipe.cutmix, layers.CutMix),
        ):
            if alpha:
                mixer = SeededLayer(layer(alpha, dtype="float32"))
                self.mixers.append(mixer)

    def rectangle(self, height, width, seed):
        """Which part of a picture becomes a training image.

        Args:
            height, width: Of the picture, int32.
            seed: The seed.

        Returns:
            Top, left, height and width in pixels, int32.
        """
        if self.recipe.crop == 1:
            return whole(height, width)
        return random_rectangle(self.recipe.crop, height, width, seed)

    def change(self, pixels, orientation, seed):
        """Makes a training image of a part of a picture.

        Args:
            pixels: uint8 `[h, w, 3]`, as stored.
            orientation: Its EXIF orientation.
            seed: NumPy integers of two elements.

        Returns:
            uint8 `[size, size, 3]`.
        """
        # Seeds can be negative, keys can't.
        key = np.asarray(seed, "int64").view("uint64")
        random = np.random.Generator(np.random.Philox(key=key))
        recipe, size = self.recipe, self.recipe.image_size
        image = Image.fromarray(pixels)
        if recipe.crop == 1:
            image = square_crop(apply_orientation(image, orientation), size)
        else:
            image = image.resize((size, size), resampling(random))
            image = apply_orientation(image, orientation)
        if recipe.flip and random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if recipe.shift:
            image = shifted(image, recipe.shift, random)
        if recipe.rand_augment:
            image = rand_augment(image, recipe.rand_augment, random)
        pixels = np.array(image)
        if recipe.erasing and random.random() < recipe.erasing:
            erase(pixels, random)
        return pixels

    def mix(self, images, labels, seed):
        """Mixes the images of a batch, by mixup or cutmix at random.

        Args:
            images: `[N, H, W, 3]`, 0 to 255.
            labels: One-hot, `[N, classes]`.
            seed: The seed.

        Returns:
            `(images, labels)` of the same shapes, float32 where they were
            mixed.
        """
        if not self.mixers:
            return images, labels

        def by(mixer):
            pair = {"images": images, "labels": labels}
            mixed = mixer(pair, fold_in(seed, 0))
            return mixed["images"], mixed["labels"]

        return random_choice(
            [partial(by, m) for m in self.mixers], fold_in(seed, 1)
        )


def random_choice(branches, seed):
    """The result of one function, drawn at random."""
    index = tf.random.stateless_uniform((), seed, 0, len(branches), tf.int32)
    return tf.switch_case(index, branches)


def random_rectangle(least_area, height, width, seed):
    """A part of a picture as timm draws it.

    Its area is uniform, the logarithm of the ratio of its sides too; of ten
    drawn the first that fits, else the largest in the middle whose sides are
    no longer to each other than 4 to 3. All of this is the same for a picture
    that lies on its side.

    Args:
        least_area: Share of the picture's area that it has at least.
        height, width: Of the picture, int32.
        seed: Integer tensor of two elements.

    Returns:
        Top, left, height and width in pixels, int32.
    """
    drawn = tf.random.stateless_uniform([ATTEMPTS + 1, 2], seed)
    sides = tf.cast([height, width], tf.float32)
    area = tf.reduce_prod(sides) * (least_area + (1 - least_area) * drawn[:, 0])
    least, most = (math.log(ratio) for ratio in CROP_RATIOS)
    ratio = tf.exp(least + (most - least) * drawn[:, 1])
    heights = tf.round(tf.sqrt(area / ratio))
    widths = tf.round(tf.sqrt(area * ratio))
    fits = (heights <= sides[0]) & (widths <= sides[1])
    first = tf.argmax(fits[:ATTEMPTS])
    longest = tf.round(CROP_RATIOS[1] * sides[::-1])
    middle = tf.minimum(sides, longest)
    found = tf.reduce_any(fits[:ATTEMPTS])
    size = tf.where(found, tf.stack([heights[first], widths[first]]), middle)
    size = tf.maximum(size, 1)
    share = tf.where(found, drawn[ATTEMPTS], 0.5)
    corner = tf.minimum(tf.floor(share * (sides - size + 1)), sides - size)
    return tf.unstack(tf.cast(tf.concat([corner, size], 0), tf.int32))


def shifted(image, share, random):
    """Moved by at most a share of its sides; what comes in is black."""
    x, y = random.uniform(-share, share, 2)
    matrix = (1, 0, x * image.width, 0, 1, y * image.height)
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        matrix,
        resample=Image.Resampling.BILINEAR,
    )


def erase(pixels, random):
    """Puts noise in the place of a random rectangle.

    The noise has ImageNet's mean and deviation, as that of timm.

    Args:
        pixels: uint8 `[H, W, 3]`, changed in place.
        random: A `numpy.random.Generator`.
    """
    height, width = pixels.shape[:2]
    for _ in range(ATTEMPTS):
        area = random.uniform(*ERASED_AREA) * height * width
        ratio = math.exp(random.uniform(*np.log(ERASED_RATIOS)))
        h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if h < height and w < width:
            top = random.integers(height - h + 1)
            left = random.integers(width - w + 1)
            noise = random.standard_normal((h, w, 3), "float32")
            noise *= np.float32([255 * std for std in IMAGENET_STD])
            noise += np.float32([255 * mean for mean in IMAGENET_MEAN])
            levels = np.clip(np.rint(noise), 0, 255)
            pixels[top : top + h, left : left + w] = levels
            return
