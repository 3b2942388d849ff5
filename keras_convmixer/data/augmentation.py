"""Random changes to training images, by Keras layers."""

from functools import partial

import tensorflow as tf
from keras import layers

from keras_convmixer.architecture import IMAGENET_MEAN
from keras_convmixer.data.seeds import SeededLayer, fold_in

MEAN = [255 * mean for mean in IMAGENET_MEAN]
GREY = 128.0  # Keras fills with one number only.


class Augmentation:
    """A recipe's augmentation, as functions of images and a seed.

    Seeds are integer tensors of two elements; the same one gives the same
    changes.

    Args:
        recipe: A `Recipe`.
    """

    def __init__(self, recipe):
        self.steps = []
        if recipe.crop < 1:
            self.steps.append(partial(resized_crop, recipe.crop))
        if recipe.flip:
            self.steps.append(seeded(layers.RandomFlip("horizontal")))
        if recipe.shift:
            self.steps.append(
                seeded(
                    layers.RandomTranslation(
                        recipe.shift, recipe.shift, fill_mode="constant"
                    )
                )
            )
        if recipe.rand_augment:
            self.steps.append(RandAugment(recipe.rand_augment))
        if recipe.erasing:
            share = (recipe.erasing, recipe.erasing)
            self.steps.append(
                seeded(
                    layers.RandomErasing(share, (0.02, 0.33), fill_value=MEAN)
                )
            )
        self.mixers = []
        if recipe.mixup:
            mixer = layers.MixUp(recipe.mixup, dtype="float32")
            self.mixers.append(SeededLayer(mixer))
        if recipe.cutmix:
            mixer = layers.CutMix(recipe.cutmix, dtype="float32")
            self.mixers.append(SeededLayer(mixer))

    def __call__(self, images, seed):
        """Changes images, each by itself.

        Args:
            images: `[N, H, W, 3]`, 0 to 255, uint8 or float. All of them have
                the same operations of RandAugment, in other strengths.
            seed: The seed.

        Returns:
            float32 of the same shape.
        """
        images = tf.cast(images, "float32")
        for index, step in enumerate(self.steps):
            images = step(images, fold_in(seed, index))
        return images

    def mix(self, images, labels, seed):
        """Mixes the images of a batch, by mixup or cutmix at random.

        Args:
            images: `[N, H, W, 3]`, 0 to 255.
            labels: One-hot, `[N, classes]`.
            seed: The seed.

        Returns:
            `(images, labels)`, float32, of the same shapes.
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


class RandAugment:
    """Two random operations, the next images others.

    Keras' own `RandAugment` runs all of its operations to keep two, turns an
    image by up to half a circle, and can not be given a seed. Here the largest
    strengths are those of timm: 30 degrees, a shear of 0.3, a shift of 0.45
    of the side, and 0.9 for colours.

    Source: Cubuk et al., "RandAugment" (2019), arXiv:1909.13719.

    Args:
        magnitude: From 0 to 10, of which the strengths are a share.
    """

    def __init__(self, magnitude):
        share = magnitude / 10
        shear, shift, colour = 0.3 * share, 0.45 * share, 0.9 * share
        fill = {"fill_mode": "constant", "fill_value": GREY}
        self.operations = [
            seeded(layer)
            for layer in (
                layers.AutoContrast(),
                layers.Equalization(),
                layers.RandomInvert((1.0, 1.0)),
                layers.RandomRotation(30 / 360 * share, **fill),
                layers.RandomShear(x_factor=shear, **fill),
                layers.RandomShear(y_factor=shear, **fill),
                layers.RandomTranslation(shift, 0.0, **fill),
                layers.RandomTranslation(0.0, shift, **fill),
                layers.RandomBrightness(colour / 2),
                layers.RandomContrast((colour, colour)),
                layers.RandomColorDegeneration(colour),
                layers.RandomSharpness((0.5 - colour / 2, 0.5 + colour / 2)),
                layers.RandomPosterization((8 - round(4 * share), 8)),
                layers.Solarization(threshold_factor=(1 - share, 1.0)),
            )
        ]

    def __call__(self, images, seed):
        for number in range(2):
            drawn, branch = fold_in(seed, number), fold_in(seed, 2 + number)
            images = random_choice(
                [
                    partial(operation, images, drawn)
                    for operation in self.operations
                ],
                branch,
            )
        return images


def seeded(layer):
    """A function of images and a seed."""
    layer.dtype_policy = "float32"  # Whatever the model computes in.
    seeded_layer = SeededLayer(layer)

    def apply(images, seed):
        changed = seeded_layer(images, seed)
        return tf.ensure_shape(tf.cast(changed, "float32"), images.shape)

    return apply


def random_choice(branches, seed):
    """The result of one function, drawn at random."""
    index = tf.random.stateless_uniform((), seed, 0, len(branches), tf.int32)
    return tf.switch_case(index, branches)


def resized_crop(least_area, images, seed):
    """A random part of each image, resized to the whole.

    Args:
        least_area: Share of the area that remains at least. Its sides are to
            each other as 3 to 4 at most.
        images: float32 `[N, H, W, C]`.
        seed: Integer tensor of two elements.

    Returns:
        float32 `[N, H, W, C]`.
    """
    count = tf.shape(images)[0]
    area, stretch, top, left = (
        tf.random.stateless_uniform(
            [count], fold_in(seed, index), minval=least, maxval=most
        )
        for index, (least, most) in enumerate(
            [(least_area, 1.0), (-1.0, 1.0), (0.0, 1.0), (0.0, 1.0)]
        )
    )
    side, ratio = tf.sqrt(area), (4 / 3) ** (stretch / 2)
    height = tf.minimum(side * ratio, 1.0)
    width = tf.minimum(side / ratio, 1.0)
    top, left = top * (1 - height), left * (1 - width)
    return tf.image.crop_and_resize(
        images,
        tf.stack([top, left, top + height, left + width], axis=-1),
        tf.range(count),
        images.shape[1:3],
    )
