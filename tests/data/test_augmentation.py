"""Random changes to images: functions of a seed, each image in its own way."""

import re

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_convmixer.data import (
    file_ops,
    image_seeds,
    rand_augment,
    random_erasing,
)
from keras_convmixer.data.augmentation import (
    Augmentation,
    random_filters,
    random_rectangles,
)
from keras_convmixer.data.resize import Filter
from keras_convmixer.data.seeds import random_uniform
from keras_convmixer.training.recipes import DIGITS
from keras_convmixer.utils.checks import UserError
from tests.helpers import run_example

SEED = tf.constant([1, 2], tf.int64)
NOTHING = DIGITS.replace(shift=0.0, image_size=32)
STEPS = {
    "flip": {"flip": True},
    "shift": {"shift": 0.2},
    "rand_augment": {"rand_augment": 9.0},
    "erasing": {"erasing": 1.0},
}


@pytest.fixture(scope="module")
def image():
    """A smooth image with all of the values from 0 to 255."""
    y, x = np.mgrid[:32, :32] / 31
    planes = [x, y, (x + y) / 2]
    return np.rint(255 * np.stack(planes, -1)).astype("uint8")


def change(image, count, **step):
    """The image after a recipe's steps, by `count` seeds."""
    augmentation = Augmentation(NOTHING.replace(**step))
    images = tf.constant(np.stack([image] * count))
    return augmentation.change(images, image_seeds(7, np.arange(count))).numpy()


@pytest.mark.parametrize("step", STEPS)
def test_an_image_follows_from_its_seed_alone(image, step):
    together = change(image, 8, **STEPS[step])
    assert together.dtype == np.uint8
    assert together.shape == (8, 32, 32, 3)
    np.testing.assert_array_equal(change(image, 3, **STEPS[step]), together[:3])
    assert len(np.unique(together.reshape(8, -1), axis=0)) > 1


def test_without_a_step_images_stay_as_they_are(image):
    np.testing.assert_array_equal(change(image, 2, flip=False), [image] * 2)
    labels = np.eye(10, dtype="float32")[:1]
    images, mixed = Augmentation(NOTHING).mix(image[None], labels, SEED)
    np.testing.assert_array_equal(images, image[None])
    np.testing.assert_array_equal(mixed, labels)


def test_half_of_the_images_are_mirrored(image):
    changed = change(image, 400, flip=True)
    mirrored = (changed == image[:, ::-1]).all((1, 2, 3))
    assert (mirrored | (changed == image).all((1, 2, 3))).all()
    assert mirrored.mean() == pytest.approx(0.5, abs=0.1)


def test_what_a_shift_brings_in_is_black(image):
    bright = np.maximum(image, 100)
    for shifted in change(bright, 20, shift=0.25):
        black = (shifted < 100).any(-1)
        assert 0 < black.mean() < 2 * 0.25
        # Whole rows and columns, on one side each.
        assert np.diff(black.all(0).astype(int)).astype(bool).sum() <= 1
        assert np.diff(black.all(1).astype(int)).astype(bool).sum() <= 1


def test_random_numbers_are_uniform_and_independent():
    seeds = image_seeds(5, np.arange(4000))
    one = random_uniform(seeds, "one", 3).numpy()
    other = random_uniform(seeds, "other", 3).numpy()
    columns = np.concatenate([one, other], 1)
    assert columns.min() >= 0
    assert columns.max() < 1
    np.testing.assert_allclose(columns.mean(0), 0.5, atol=0.02)
    np.testing.assert_allclose(columns.std(0), 12**-0.5, atol=0.01)
    # Neither among the numbers of a seed nor from one seed to the next.
    both = np.concatenate([columns[:-1], columns[1:]], 1)
    np.testing.assert_allclose(np.corrcoef(both.T), np.eye(12), atol=0.06)
    again = random_uniform(image_seeds(6, np.arange(4000)), "one", 3).numpy()
    assert abs(np.corrcoef(one[:, 0], again[:, 0])[0, 1]) < 0.06


def areas(height, width):
    """Shares of an image that crops have, drawn one after the other."""
    random = np.random.default_rng(0)
    found = []
    while len(found) < 1000:
        area = random.uniform(0.08, 1)
        ratio = np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3)))
        h = round((area * height * width / ratio) ** 0.5)
        w = round((area * height * width * ratio) ** 0.5)
        if h <= height and w <= width:
            found.append(area)
    return found


@pytest.mark.parametrize("size", [(375, 500), (500, 375), (64, 64)])
def test_a_rectangle_has_the_area_and_the_sides_that_it_should(size):
    rectangles = random_rectangles(
        0.08, tf.constant([size] * 400), image_seeds(0, np.arange(400))
    )
    top, left, height, width = np.transpose(rectangles)
    assert min(top.min(), left.min()) >= 0
    assert (top + height).max() <= size[0]
    assert (left + width).max() <= size[1]
    area = height * width / np.prod(size)
    assert area.min() == pytest.approx(0.08, abs=0.02)
    assert area.max() > 0.9
    # Uniform, but for those that do not fit.
    assert np.median(area) == pytest.approx(np.median(areas(*size)), abs=0.06)
    ratio = np.log(width / height)
    assert np.abs(ratio).max() <= np.log(4 / 3) + 0.05
    assert np.median(ratio) == pytest.approx(0, abs=0.08)


def test_of_a_ribbon_the_middle_is_taken():
    rectangle = random_rectangles(1.0, [[10, 300]], image_seeds(0, [0]))
    assert rectangle.numpy().tolist() == [[0, 144, 10, 13]]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_crops_is_resized_without_antialiasing(share):
    chosen = random_filters(share, image_seeds(0, np.arange(2000))).numpy()
    shares = np.bincount(chosen, minlength=len(Filter)) / 2000
    expected = np.repeat([(1 - share) / 2, share / 2], 2)
    np.testing.assert_allclose(shares, expected, atol=0.04)
    assert (shares > 0).tolist() == (expected > 0).tolist()


def test_of_a_large_jpeg_a_crop_skips_pixels_instead_of_averaging():
    levels = np.random.default_rng(0).integers(0, 2, (160, 160, 1)) * 255
    file = tf.io.encode_jpeg(levels.repeat(3, 2).astype("uint8"))

    def contrast(share):
        recipe = NOTHING.replace(image_size=16, crop=0.5, aliased_resize=share)
        augmentation = Augmentation(recipe)
        least_side = augmentation.least_side
        image = file_ops.stored_image(file, 1, None, least_side)
        images = file_ops.StoredImage(*(tf.stack([each] * 4) for each in image))
        crops = augmentation.crop(images, image_seeds(0, np.arange(4)))
        return np.std(crops)

    assert contrast(1.0) > 0.6 * levels.std() > 3 * contrast(0.0)


def test_erases_the_share_of_images_that_it_should(image):
    erased = (change(image, 1000, erasing=0.25) != image).any((1, 2, 3)).mean()
    assert erased == pytest.approx(0.25, abs=0.04)


def test_what_is_erased_is_noise_of_the_size_that_it_should_have():
    images = tf.zeros([200, 64, 64, 3], tf.uint8)
    erased = random_erasing(images, image_seeds(0, np.arange(200)), 1.0)
    noise = erased.numpy().any(-1)
    shares = noise.mean((1, 2))
    assert shares.min() > 0.01
    assert shares.max() < 0.35
    levels = erased.numpy()[noise]
    np.testing.assert_allclose(levels.mean(0), [124, 117, 105], atol=3)


def test_erasing_none_of_the_images_leaves_them():
    images = tf.random.stateless_uniform([3, 8, 8, 3], SEED, 0, 256, tf.int32)
    images = tf.cast(images, tf.uint8)
    seeds = image_seeds(0, np.arange(3))
    np.testing.assert_array_equal(random_erasing(images, seeds, 0.0), images)


def test_the_example_of_erasing_runs():
    run_example(random_erasing)


@pytest.mark.parametrize("function", [rand_augment, random_erasing])
def test_of_a_batch_any_size_may_be_unknown(function):
    images = np.random.default_rng(0).integers(0, 256, (40, 12, 16, 3), "uint8")
    seeds = image_seeds(0, np.arange(40))
    specs = tf.TensorSpec(None, tf.uint8), tf.TensorSpec(None, tf.uint64)
    unknown = tf.function(function, input_signature=specs)
    expected = function(images, seeds)
    assert (expected != images).numpy().any()
    np.testing.assert_array_equal(unknown(images, seeds), expected)


@pytest.mark.parametrize("function", [rand_augment, random_erasing])
@pytest.mark.parametrize(
    ("images", "seeds", "message"),
    [
        (tf.zeros([2, 8, 8, 3]), [0, 1], "float32 (2, 8, 8, 3)"),
        (tf.zeros([2, 8, 8, 1], "uint8"), [0, 1], "uint8 (2, 8, 8, 1)"),
        (tf.zeros([8, 8, 3], "uint8"), [0, 1], "uint8 (8, 8, 3)"),
        (tf.zeros([2, 8, 8, 3], "uint8"), [0], "uint64 (1,)"),
        (tf.zeros([2, 8, 8, 3], "uint8"), 0, "uint64 ()"),
    ],
)
def test_what_is_no_batch_is_refused(function, images, seeds, message):
    with pytest.raises(UserError, match=re.escape(f"Received: {message}")):
        function(images, image_seeds(0, seeds))


def test_numbers_that_are_no_seeds_or_strengths_are_refused():
    images = tf.zeros([2, 8, 8, 3], "uint8")
    seeds = image_seeds(0, [0, 1])
    with pytest.raises(UserError, match="must be from image_seeds"):
        rand_augment(images, [0, 1])
    with pytest.raises(UserError, match=r"magnitude must be .* from 0 to 10"):
        rand_augment(images, seeds, 11.0)
    with pytest.raises(UserError, match=r"probability must be .* from 0 to 1"):
        random_erasing(images, seeds, 25)
    with pytest.raises(UserError, match="numbers must be of an integer type"):
        image_seeds(0, [0.25, 0.5])
    with pytest.raises(UserError, match="seed must be of an integer type"):
        image_seeds(0.5, [0, 1])


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_labels_are_mixed_as_the_images_are(name):
    # Every image is the number of its class throughout.
    classes = np.arange(10)
    images = np.ones((10, 16, 16, 3)) * classes[:, None, None, None]
    augment = Augmentation(NOTHING.replace(**{name: 0.5}))
    mixed, labels = augment.mix(
        images.astype("float32"), np.eye(10, dtype="float32"), SEED
    )
    np.testing.assert_allclose(labels.numpy().sum(-1), 1, atol=1e-6)
    assert (labels.numpy().max(-1) < 0.99).any()
    np.testing.assert_allclose(
        mixed.numpy().mean((1, 2, 3)), labels.numpy() @ classes, atol=1e-4
    )


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0])
def test_shares_have_the_distribution_that_timm_draws_from(alpha):
    images = np.zeros((4000, 8, 8, 3), "uint8")
    labels = np.repeat(np.eye(2, dtype="float32"), 2000, 0)
    _, mixed = Augmentation(NOTHING.replace(mixup=alpha)).mix(
        images, labels, SEED
    )
    shares = mixed.numpy()[:2000, 1]
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_with_a_tiny_alpha_mixup_leaves_images_whole():
    images = np.zeros((1000, 4, 4, 3), "uint8")
    augment = Augmentation(NOTHING.replace(mixup=1e-4))
    _, labels = augment.mix(images, np.eye(1000, dtype="float32"), SEED)
    assert np.isclose(labels.numpy().max(1), 1, atol=1e-3).mean() > 0.99


def test_cutmix_puts_in_one_rectangle_with_its_middle_anywhere():
    # Those of one half are black, those of the other white.
    images = np.zeros((8000, 32, 32, 3), "uint8")
    images[4000:] = 255
    labels = np.repeat(np.eye(2, dtype="float32"), 4000, 0)
    mixed, _ = Augmentation(NOTHING.replace(cutmix=1.0)).mix(
        images, labels, SEED
    )
    white = mixed.numpy()[:4000] == 255
    rows, columns = white.any((2, 3)), white.any((1, 3))
    rectangles = rows[:, :, None] & columns[:, None]
    assert (white == rectangles[..., None]).all()
    # Every place is as likely to be the middle of a small one.
    small = (rows.sum(1) > 0) & (rows.sum(1) <= 4)
    middles = rows[small].argmax(1)
    assert small.sum() > 100
    assert abs(middles.mean() - 15) < 3
    assert middles.std() > 6


def test_half_of_the_batches_have_mixup_and_half_cutmix(image):
    images = np.stack([image, 255 - image] * 8)
    labels = np.eye(16, dtype="float32")
    augment = Augmentation(NOTHING.replace(mixup=0.5, cutmix=0.5))
    cut = 0
    for number in range(40):
        mixed, _ = augment.mix(images, labels, SEED + number)
        # Cutmix leaves every pixel one of the two; mixup does not.
        pure = (mixed.numpy() == images) | (mixed.numpy() == 255 - images)
        cut += pure.all()
    assert 10 <= cut <= 30
