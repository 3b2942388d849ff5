"""RandAugment as timm has it: two operations, drawn for each image.

Source: Cubuk et al., "RandAugment" (2019), arXiv:1909.13719. Operations,
strengths and probabilities are those of timm's `rand-m9-mstd0.5-inc1`, with
which the authors of ConvMixer trained.
"""

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from keras_convmixer.architecture import IMAGENET_MEAN

FILL = tuple(round(255 * mean) for mean in IMAGENET_MEAN)
LARGEST = 10  # Magnitude.
DEVIATION = 0.5  # Of the magnitudes of the images.
APPLIED = 2
PROBABILITY = 0.5  # That an operation that was drawn is applied.
RESAMPLING = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)


def rand_augment(image, magnitude, random):
    """Two random operations, each of them left out half of the time.

    Args:
        image: A `PIL.Image` in RGB.
        magnitude: Mean strength, from 0 to 10.
        random: A `numpy.random.Generator`.

    Returns:
        A `PIL.Image` of the same size.
    """
    for number in random.integers(len(OPERATIONS), size=APPLIED):
        if random.random() < PROBABILITY:
            drawn = np.clip(random.normal(magnitude, DEVIATION), 0, LARGEST)
            image = OPERATIONS[number](image, drawn / LARGEST, random)
    return image


def auto_contrast(image, share, random):
    return ImageOps.autocontrast(image)


def equalize(image, share, random):
    return ImageOps.equalize(image)


def invert(image, share, random):
    return ImageOps.invert(image)


def rotate(image, share, random):
    degrees = signed(30 * share, random)
    return image.rotate(degrees, resampling(random), fillcolor=FILL)


def posterize(image, share, random):
    # Without a bit there would be no image.
    return ImageOps.posterize(image, max(1, 4 - int(4 * share)))


def solarize(image, share, random):
    return ImageOps.solarize(image, 256 - int(256 * share))


def solarize_add(image, share, random):
    levels = np.arange(256)
    added = np.minimum(levels + int(110 * share), 255)
    table = np.where(levels < 128, added, levels)
    return image.point(3 * table.tolist())


def shear_x(image, share, random):
    return affine(image, (1, signed(0.3 * share, random), 0, 0, 1, 0), random)


def shear_y(image, share, random):
    return affine(image, (1, 0, 0, signed(0.3 * share, random), 1, 0), random)


def translate_x(image, share, random):
    pixels = signed(0.45 * share, random) * image.width
    return affine(image, (1, 0, pixels, 0, 1, 0), random)


def translate_y(image, share, random):
    pixels = signed(0.45 * share, random) * image.height
    return affine(image, (1, 0, 0, 0, 1, pixels), random)


def enhanced(enhancer):
    """An operation of `PIL.ImageEnhance`, more or less of it than there is."""

    def enhance(image, share, random):
        factor = max(0.1, 1 + signed(0.9 * share, random))
        return enhancer(image).enhance(factor)

    return enhance


def affine(image, matrix, random):
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        matrix,
        resample=resampling(random),
        fillcolor=FILL,
    )


def signed(strength, random):
    """The strength or its negative."""
    return strength if random.random() < 0.5 else -strength


def resampling(random):
    return RESAMPLING[random.integers(len(RESAMPLING))]


OPERATIONS = (
    auto_contrast,
    equalize,
    invert,
    rotate,
    posterize,
    solarize,
    solarize_add,
    enhanced(ImageEnhance.Color),
    enhanced(ImageEnhance.Contrast),
    enhanced(ImageEnhance.Brightness),
    enhanced(ImageEnhance.Sharpness),
    shear_x,
    shear_y,
    translate_x,
    translate_y,
)
