"""Data sets: what is held out, what is shuffled, what an image is."""

import time

import keras
import numpy as np
import pytest

from keras_convmixer.data.augmentation import Augmentation
from keras_convmixer.data.batches import (
    held_out_batches,
    steps_in_epoch,
    training_batches,
)
from keras_convmixer.data.image_data import as_arrays, sample
from keras_convmixer.data.source import Source
from keras_convmixer.training.recipes import DIGITS
from tests.helpers import shared


@pytest.fixture(scope="module")
def digits():
    return Source("digits").load(8)


def test_digits_are_all_there_once(digits):
    from sklearn.datasets import load_digits

    train, held_out = as_arrays(digits.train), as_arrays(digits.held_out)
    assert len(train[0]) == 1437
    assert len(held_out[0]) == 360
    images = np.concatenate([train[0], held_out[0]])[..., 0]
    original = np.rint(load_digits().images * 255 / 16)
    assert sorted(map(bytes, images)) == sorted(
        map(bytes, original.astype("uint8"))
    )


def test_digits_are_uint8_rgb_from_0_to_255(digits):
    images, labels = as_arrays(digits.train)
    assert images.dtype == np.uint8
    assert images.shape[1:] == (8, 8, 3)
    assert images.min() == 0
    assert images.max() == 255
    assert labels.dtype == np.int64


def test_held_out_digits_are_stratified(digits):
    counts = np.bincount(as_arrays(digits.held_out)[1])
    assert counts.min() >= 34
    assert counts.max() <= 38


def test_held_out_digits_are_always_the_same(digits):
    again = Source("digits", seed=5).load(8)
    np.testing.assert_array_equal(
        as_arrays(again.held_out)[0], as_arrays(digits.held_out)[0]
    )


def test_every_epoch_has_every_image_in_another_order(digits):
    batches = training_batches(digits, 479, steps=3, seed=0)
    images = np.concatenate([x.numpy() for x, _ in batches.take(6)])
    epochs = images[:1437], images[1437:]
    assert (epochs[0] != epochs[1]).any()
    every = sorted(map(bytes, as_arrays(digits.train)[0]))
    assert [sorted(map(bytes, epoch)) for epoch in epochs] == [every] * 2


def test_batches_are_whole_and_one_hot(digits):
    images, labels = next(iter(training_batches(digits, 64, 22, seed=0)))
    assert images.shape == (64, 8, 8, 3)
    assert labels.shape == (64, 10)
    assert (labels.numpy().sum(-1) == 1).all()
    assert steps_in_epoch(digits, 64) == 22
    assert steps_in_epoch(digits, 64, limit_steps=3) == 3
    assert len(held_out_batches(digits, 64)) == 6


def test_an_epoch_is_the_same_wherever_one_begins(digits):
    augment = Augmentation(DIGITS.replace(flip=True))

    def batches(first, count, seed=5):
        stream = training_batches(digits, 64, 3, seed, augment, epoch=first)
        return [images.numpy() for images, _ in stream.take(count)]

    from_start = batches(0, 9)
    np.testing.assert_array_equal(batches(2, 3), from_start[6:])
    assert (from_start[0] != from_start[3]).any()
    assert (from_start[0] != batches(0, 1, seed=6)[0]).any()


def test_sample_is_of_different_images_and_repeatable(digits):
    one, two = (sample(digits.train, 50) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert len(np.unique(one.reshape(50, -1), axis=0)) >= 49


def test_tfds_images_are_those_of_tfds():
    import tensorflow_datasets as tfds

    folder = str(shared("tfds"))
    data = Source("cifar10", data_dir=folder).load(32)
    images, labels = as_arrays(data.held_out, 100)
    rows = tfds.load("cifar10", split="test[:100]", data_dir=folder)
    expected = list(tfds.as_numpy(rows))
    np.testing.assert_array_equal(images, [row["image"] for row in expected])
    np.testing.assert_array_equal(labels, [row["label"] for row in expected])
    assert data.classes[:2] == ["airplane", "automobile"]
    assert (data.num_train, data.num_held_out) == (45_000, 5_000)


def test_a_data_set_that_can_not_be_downloaded(tmp_path, monkeypatch):
    # Nothing answers there.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    begin = time.monotonic()
    with pytest.raises(ConnectionError, match=r"mnist.* can't be put there"):
        Source("mnist", data_dir=str(tmp_path)).load(28)
    assert time.monotonic() - begin < 60
    assert not list(tmp_path.rglob("*.tfrecord*"))


def test_a_folder_of_photographs():
    source = Source(image_folder=str(shared("sign_language_digits")))
    data = source.load(100)
    assert data.classes == [str(digit) for digit in range(10)]
    assert data.num_train + data.num_held_out == 2059
    images, labels = as_arrays(data.held_out)
    assert images.shape == (412, 100, 100, 3)
    assert np.bincount(labels).min() >= 40


def test_the_seed_chooses_the_held_out_images_of_a_folder(tmp_path):
    for name in ("a b", "é"):
        (tmp_path / name).mkdir()
        for index in range(10):
            image = np.full((8, 8, 3), 20 * index)
            path = tmp_path / name / f"{index}.png"
            keras.utils.save_img(path, image, scale=False)
        (tmp_path / name / "notes.txt").write_text("not an image")

    def held_out(seed):
        data = Source(image_folder=str(tmp_path), seed=seed).load(8)
        assert data.classes == ["a b", "é"]
        assert data.num_train == 16
        return as_arrays(data.held_out)[0][:, 0, 0, 0].tolist()

    assert held_out(0) == held_out(0)
    assert held_out(0) != held_out(1)


def test_more_images_a_batch_than_there_are(digits):
    with pytest.raises(ValueError, match="at most 1437"):
        steps_in_epoch(digits, 1438)
