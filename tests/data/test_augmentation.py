"""Random changes to images: functions of a seed, each image in its own way."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_convmixer.data.augmentation import (
    Augmentation,
    erase,
    random_rectangle,
)
from keras_convmixer.data.rand_augment import OPERATIONS, rand_augment
from keras_convmixer.training.recipes import DIGITS

SEED = tf.constant([1, 2], tf.int64)
NOTHING = DIGITS.replace(shift=0.0, image_size=32)
STEPS = {
    "flip": {"flip": True},
    "shift": {"shift": 0.2},
    "crop": {"crop": 0.5},
    "rand_augment": {"rand_augment": 9.0},
    "erasing": {"erasing": 1.0},
}


@pytest.fixture(scope="module")
def image():
    """A smooth picture with all of the values from 0 to 255."""
    y, x = np.mgrid[:32, :32] / 31
    planes = [x, y, (x + y) / 2]
    return np.rint(255 * np.stack(planes, -1)).astype("uint8")


def change(image, count, **step):
    """The image after a recipe's steps, by `count` seeds."""
    augmentation = Augmentation(NOTHING.replace(**step))
    return np.stack(
        [augmentation.change(image, 1, (-number, 7)) for number in range(count)]
    )


@pytest.mark.parametrize("step", STEPS)
def test_follows_from_the_seed_alone(image, step):
    once, again = (change(image, 8, **STEPS[step]) for _ in range(2))
    assert once.dtype == np.uint8
    assert once.shape == (8, 32, 32, 3)
    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("step", ["shift", "erasing", "rand_augment"])
def test_changes_every_image_in_its_own_way(image, step):
    changed = change(image, 64, **STEPS[step])
    # Both operations of RandAugment are left out for a quarter.
    assert len(np.unique(changed.reshape(64, -1), axis=0)) > 40


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


def areas(height, width):
    """Shares of a picture that crops have, drawn one after the other."""
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
    rectangles = [
        [int(each) for each in random_rectangle(0.08, *size, (0, number))]
        for number in range(400)
    ]
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
    rectangle = random_rectangle(1.0, 10, 300, (0, 0))
    assert [int(each) for each in rectangle] == [0, 144, 10, 13]


def test_erases_the_share_of_images_that_it_should(image):
    erased = (change(image, 1000, erasing=0.25) != image).any((1, 2, 3)).mean()
    assert erased == pytest.approx(0.25, abs=0.04)


def test_what_is_erased_is_noise_of_the_size_that_it_should_have():
    random = np.random.default_rng(0)
    shares, levels = [], []
    for _ in range(200):
        pixels = np.zeros((64, 64, 3), "uint8")
        erase(pixels, random)
        noise = pixels.any(-1)
        shares.append(noise.mean())
        levels.append(pixels[noise].mean(0))
    assert min(shares) > 0.01
    assert max(shares) < 0.35
    np.testing.assert_allclose(np.mean(levels, 0), [124, 117, 105], atol=3)


def test_operations_of_rand_augment_differ(image):
    picture = Image.fromarray(image // 2 + 15)
    results = [
        np.array(apply(picture, 0.9, np.random.default_rng(1)))
        for apply in OPERATIONS
    ]
    assert len({result.tobytes() for result in results}) == len(results)
    for result in results:
        assert result.shape == image.shape
        assert result.dtype == np.uint8


@pytest.mark.parametrize("magnitude", [0, 10])
def test_rand_augment_at_its_limits(image, magnitude):
    for seed in range(100):
        random = np.random.default_rng(seed)
        changed = rand_augment(Image.fromarray(image), magnitude, random)
        assert changed.size == (32, 32)


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
        mixed.numpy().mean((1, 2, 3)), labels.numpy() @ classes, atol=0.7
    )


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
