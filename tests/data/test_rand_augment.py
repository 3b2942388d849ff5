"""RandAugment on batches equals Pillow's, image by image."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_images

from keras_convmixer.data import image_seeds, rand_augment
from keras_convmixer.data.randaugment import (
    FILL,
    OPERATIONS,
    apply_operations,
)
from tests.helpers import run_example

NAMES = [operation.__name__ for operation in OPERATIONS]
STRENGTHS = (0.0, 0.31, 0.9, 1.0)
FRAME = 3  # Pixels, one more than Pillow's bicubic kernel reaches.


def posterize(image, strength, sign):
    return ImageOps.posterize(image, max(1, 4 - int(4 * strength)))


def solarize_add(image, strength, sign):
    levels = np.arange(256)
    added = np.minimum(levels + int(110 * np.float32(strength)), 255)
    return image.point(3 * np.where(levels < 128, added, levels).tolist())


def enhanced(enhancer):
    return lambda image, strength, sign: enhancer(image).enhance(
        max(0.1, 1 + 0.9 * sign * strength)
    )


def framed(transform):
    """A transform of Pillow which mixes the border with the fill colour too.

    Pillow does so if the image has a frame of that colour.
    """

    def on_framed(image, strength, sign, resampling):
        framed = ImageOps.expand(image, FRAME, FILL)
        changed = transform(framed, sign * strength, image.size, resampling)
        return ImageOps.crop(changed, FRAME)

    return on_framed


def moved(matrix):
    """An affine transform, by a function of amount and size."""

    def transform(image, amount, size, resampling):
        a, b, c, d, e, f = matrix(amount, *size)
        c += FRAME * (1 - a - b)
        f += FRAME * (1 - d - e)
        return image.transform(
            image.size,
            Image.Transform.AFFINE,
            (a, b, c, d, e, f),
            resampling,
            fillcolor=FILL,
        )

    return framed(transform)


EXACT = {
    "auto_contrast": lambda image, *_: ImageOps.autocontrast(image),
    "equalize": lambda image, *_: ImageOps.equalize(image),
    "invert": lambda image, *_: ImageOps.invert(image),
    "posterize": posterize,
    "solarize": lambda image, strength, _: ImageOps.solarize(
        image, 256 - int(256 * strength)
    ),
    "solarize_add": solarize_add,
    "color": enhanced(ImageEnhance.Color),
    "contrast": enhanced(ImageEnhance.Contrast),
    "brightness": enhanced(ImageEnhance.Brightness),
    "sharpness": enhanced(ImageEnhance.Sharpness),
}
# Where the pixel (x, y) comes from, for an amount, a width and a height.
SHIFTS = {
    "shear_x": lambda s, w, h: (1, 0.3 * s, 0, 0, 1, 0),
    "shear_y": lambda s, w, h: (1, 0, 0, 0.3 * s, 1, 0),
    "translate_x": lambda s, w, h: (1, 0, 0.45 * s * w, 0, 1, 0),
    "translate_y": lambda s, w, h: (1, 0, 0, 0, 1, 0.45 * s * h),
}
GEOMETRY = {name: moved(matrix) for name, matrix in SHIFTS.items()} | {
    "rotate": framed(
        lambda image, amount, size, resampling: image.rotate(
            30 * amount, resampling, fillcolor=FILL
        )
    ),
}
BILINEAR, BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC


@pytest.fixture(scope="module")
def photos():
    """uint8 `[N, 48, 64, 3]`: photos, one with little contrast, a flat one."""
    china, flower = (
        Image.fromarray(image).resize((64, 48))
        for image in load_sample_images().images
    )
    dull = Image.eval(china, lambda level: level // 3 + 60)
    flat = Image.new("RGB", china.size, (7, 130, 255))
    return np.stack([china, flower, dull, flat])


def both(name, photos, strength, sign, resampling=None):
    """What our operation and Pillow's make of the photos, as int."""
    each = (strength, sign, resampling == BICUBIC)
    ours = OPERATIONS[NAMES.index(name)](
        tf.constant(photos), *(tf.fill([len(photos)], value) for value in each)
    )
    pillow = (EXACT | GEOMETRY)[name]
    given = [strength, sign] + ([resampling] if resampling else [])
    theirs = [pillow(Image.fromarray(photo), *given) for photo in photos]
    assert ours.dtype == tf.uint8
    return np.asarray(ours, int), np.stack(theirs).astype(int)


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("name", EXACT)
def test_tables_and_blends_equal_pillow_within_a_level(name, strength, photos):
    for sign in (1.0, -1.0):
        ours, theirs = both(name, photos, strength, sign)
        assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize(
    ("name", "resampling"),
    [(name, BILINEAR) for name in GEOMETRY]
    + [(name, BICUBIC) for name in SHIFTS],
)
def test_geometry_equals_pillow_within_a_level(
    name, resampling, strength, photos
):
    for sign in (1.0, -1.0):
        ours, theirs = both(name, photos, strength, sign, resampling)
        assert np.abs(ours - theirs).max() <= 1
        if strength:
            assert (ours != photos).any(), "it does something"


def test_the_operations_are_those_of_timm():
    assert [
        *("auto_contrast", "equalize", "invert", "rotate", "posterize"),
        *("solarize", "solarize_add", "color", "contrast", "brightness"),
        *("sharpness", "shear_x", "shear_y", "translate_x", "translate_y"),
    ] == NAMES


def test_each_image_gets_the_operation_that_it_drew(photos):
    numbers = np.arange(len(OPERATIONS) + 1)
    images = tf.constant(np.resize(photos, (len(numbers), *photos.shape[1:])))
    strengths = np.float32(np.linspace(0.1, 0.9, len(numbers)))
    signs = np.float32(np.where(numbers % 2, 1, -1))
    cubic = numbers % 3 == 0
    every = apply_operations(images, numbers, strengths, signs, cubic)
    for n, operation in enumerate(OPERATIONS):
        one = slice(n, n + 1)
        alone = operation(images[one], strengths[one], signs[one], cubic[one])
        # Compiled as one graph, a product may be rounded in another order.
        difference = np.abs(np.int32(every[one]) - np.int32(alone))
        assert difference.max() <= 1, NAMES[n]
    np.testing.assert_array_equal(every[-1], images[-1])


def test_an_image_depends_on_its_own_seed_only(photos):
    images = tf.repeat(photos[:1], 60, 0)
    seeds = image_seeds(3, np.arange(60))
    together = rand_augment(images, seeds)
    np.testing.assert_array_equal(
        rand_augment(images[7:9], seeds[7:9]), together[7:9]
    )
    different = {bytes(image) for image in together.numpy()}
    # A quarter stays as it is.
    assert 20 < len(different) < 50
    assert not np.array_equal(
        rand_augment(images, image_seeds(4, np.arange(60))), together
    )


def test_a_quarter_of_the_images_stays_as_it_is(photos):
    images = tf.repeat(photos[1:2], 1000, 0)
    changed = rand_augment(images, image_seeds(0, np.arange(1000)))
    same = (changed.numpy() == photos[1]).all((1, 2, 3))
    # Few operations change nothing, such as those of a tiny strength.
    assert same.mean() == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("magnitude", [0, 10])
def test_at_its_limits(photos, magnitude):
    images = tf.repeat(photos, 50, 0)
    seeds = image_seeds(0, np.arange(len(images)))
    changed = rand_augment(images, seeds, magnitude)
    assert changed.shape == images.shape
    assert changed.dtype == tf.uint8


def test_of_no_images_there_are_none():
    empty = tf.zeros([0, 8, 8, 3], tf.uint8)
    assert rand_augment(empty, image_seeds(0, [])).shape == (0, 8, 8, 3)


def test_the_example_runs():
    run_example(rand_augment)
