"""Random changes to images: functions of a seed, each image in its own way."""

import numpy as np
import pytest
import tensorflow as tf

from keras_convmixer.data.augmentation import (
    Augmentation,
    RandAugment,
    resized_crop,
)
from keras_convmixer.training.recipes import CIFAR10, DIGITS

SEED = tf.constant([1, 2], tf.int64)
NOTHING = DIGITS.replace(shift=0.0)
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


@pytest.mark.parametrize("step", STEPS)
def test_follows_from_the_seed_alone(image, step):
    images = np.repeat(image[None], 64, 0)
    augment = Augmentation(NOTHING.replace(**STEPS[step]))
    once, again = augment(images, SEED), augment(images, SEED)
    other = augment(images, SEED + 1)
    assert once.dtype == tf.float32
    assert once.shape == images.shape
    np.testing.assert_array_equal(once, again)
    assert (once.numpy() != other.numpy()).any()
    assert once.numpy().min() >= 0
    assert once.numpy().max() <= 255


@pytest.mark.parametrize("step", ["shift", "crop", "erasing"])
def test_changes_every_image_in_its_own_way(image, step):
    images = np.repeat(image[None], 64, 0)
    changed = Augmentation(NOTHING.replace(**STEPS[step]))(images, SEED)
    assert len(np.unique(changed.numpy().reshape(64, -1), axis=0)) > 50


def test_without_a_step_images_stay_as_they_are(image):
    augment = Augmentation(NOTHING)
    np.testing.assert_array_equal(augment(image[None], SEED), image[None])
    labels = np.eye(10, dtype="float32")[:1]
    images, mixed = augment.mix(image[None], labels, SEED)
    np.testing.assert_array_equal(images, image[None])
    np.testing.assert_array_equal(mixed, labels)


def test_a_crop_has_the_area_and_the_sides_that_it_should(image):
    images = tf.cast(np.repeat(image[None], 500, 0), tf.float32)
    crops = resized_crop(0.5, images, SEED).numpy()
    # Red tells how much of the width is seen, green of the height.
    width, height = (np.ptp(crops[..., i], (1, 2)) / 255 for i in (0, 1))
    assert (width * height).min() > 0.49
    assert (width * height).max() > 0.9
    assert (width / height).min() > 0.74
    assert (width / height).max() < 1.35


def test_erases_the_share_of_images_that_it_should(image):
    images = np.repeat(image[None], 2000, 0)
    changed = Augmentation(NOTHING.replace(erasing=0.25))(images, SEED)
    erased = (changed.numpy() != images).any((1, 2, 3)).mean()
    assert erased == pytest.approx(0.25, abs=0.04)


def test_operations_of_rand_augment_differ(image):
    operations = RandAugment(9.0).operations
    images = tf.cast(np.repeat(image[None], 8, 0), tf.float32)
    results = [operation(images, SEED).numpy() for operation in operations]
    # No two of them do the same.
    assert len({result.tobytes() for result in results}) == len(results)


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


def test_the_recipe_of_the_paper_is_the_same_in_a_graph(image):
    images = np.repeat(image[None], 16, 0)
    augment = Augmentation(CIFAR10)
    eager, graph = augment(images, SEED), tf.function(augment)(images, SEED)
    assert graph.dtype == tf.float32
    np.testing.assert_allclose(graph, eager, atol=0.1)
    changed = np.abs(graph.numpy() - images).mean((1, 2, 3))
    assert (changed > 1).all()
    assert len(np.unique(changed)) == 16
