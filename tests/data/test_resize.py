"""What TensorFlow resizes has the pixels that Pillow gives it."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_convmixer import center_crop
from keras_convmixer.data.resize import (
    Filter,
    center_square,
    resize_crop,
    resize_crops,
)


def noise(height, width, seed=0):
    """Random levels, which make overshoots of the kernel likely."""
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, 3)).astype("uint8")


@pytest.mark.parametrize("size", [7, 16, 33, 112])
@pytest.mark.parametrize(
    "shape",
    [(16, 16), (33, 31), (24, 17), (15, 40), (333, 31), (375, 500), (1, 9)],
)
def test_the_middle_square_is_that_of_pillow_bit_for_bit(shape, size):
    image = noise(*shape, seed=size)
    np.testing.assert_array_equal(
        center_square(tf.constant(image), size), center_crop(image, size)
    )


def test_a_large_image_is_computed_in_strips():
    image = noise(1301, 2003)
    np.testing.assert_array_equal(
        center_square(tf.constant(image), 64), center_crop(image, 64)
    )


def test_the_largest_sums_are_exact():
    image = np.where(noise(2048, 2100) < 128, 0, 255).astype("uint8")
    np.testing.assert_array_equal(
        center_square(tf.constant(image), 8), center_crop(image, 8)
    )


@pytest.mark.parametrize("shape", [(20, 31), (90, 47), (30, 80)])
@pytest.mark.parametrize("method", ["BILINEAR", "BICUBIC"])
def test_a_crop_is_resized_as_pillow_does_within_a_level(shape, method):
    image = noise(*shape)
    ours = resize_crop(image, 48, tf.constant(Filter[method]))
    pillow = Image.fromarray(image).resize((48, 48), Image.Resampling[method])
    difference = np.abs(ours.numpy().astype(int) - np.asarray(pillow))
    # Pillow rounds and clips between its two passes too.
    assert (difference > 1).mean() < 0.02


@pytest.mark.parametrize("shape", [(20, 31), (90, 47), (30, 80)])
def test_without_antialiasing_a_crop_has_the_pixels_that_pillow_reads(shape):
    image = noise(*shape)
    pillow = Image.fromarray(image)
    np.testing.assert_array_equal(
        resize_crop(image, 48, tf.constant(Filter.NEAREST)),
        pillow.resize((48, 48), Image.Resampling.NEAREST),
    )
    # Pillow's `resize` always antialiases; `transform` never does.
    expected = pillow.transform(
        *((48, 48), Image.Transform.EXTENT, (0, 0, *pillow.size)),
        Image.Resampling.BILINEAR,
    )
    ours = resize_crop(image, 48, tf.constant(Filter.ALIASED_BILINEAR))
    difference = np.abs(ours.numpy().astype(int) - np.asarray(expected))
    assert difference.max() <= 1


@pytest.mark.parametrize(
    ("side", "size"), [(32, 32), (28, 64), (64, 16), (8, 8)]
)
@pytest.mark.parametrize("filter_number", Filter)
def test_crops_of_small_images_are_those_of_each_within_a_level(
    side, size, filter_number
):
    random = np.random.default_rng(side)
    images = np.stack([noise(side, side, seed=seed) for seed in range(24)])
    lengths = random.integers(1, side + 1, (24, 2))
    lengths[0] = side
    corners = random.integers(0, side - lengths + 1)
    rectangles = np.concatenate([corners, lengths], 1).astype("int32")
    ours = resize_crops(
        *(tf.constant(images), tf.constant(rectangles)),
        *(size, tf.fill([24], filter_number)),
    )
    differences = []
    for crop, image, (y, x, height, width) in zip(
        ours.numpy(), images, rectangles, strict=True
    ):
        part = tf.constant(image[y : y + height, x : x + width])
        theirs = resize_crop(part, size, tf.constant(filter_number)).numpy()
        differences.append(np.abs(crop.astype(int) - theirs))
    # Halves may be rounded either way.
    assert np.max(differences) <= 1
    assert np.mean(differences) < 0.02
