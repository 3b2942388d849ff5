"""Data sets: what is held out, what is shuffled, what an image is."""

import dataclasses
import os
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_convmixer.data.augmentation import Augmentation
from keras_convmixer.data.batches import (
    Shard,
    held_out_batches,
    steps_in_epoch,
    training_batches,
)
from keras_convmixer.data.image_data import as_arrays, sample
from keras_convmixer.data.index import IndexedImage, read_index, write_index
from keras_convmixer.data.source import Source
from keras_convmixer.training.recipes import DIGITS
from keras_convmixer.utils.checks import UserError
from tests.helpers import slow_cases

HEADER = "file,class,part,width,height,orientation,bytes,digest,hash"


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


def test_tfds_images_are_those_of_tfds(tiny_tfds):
    import tensorflow_datasets as tfds

    folder = str(tiny_tfds)
    data = Source("tiny_pictures", data_dir=folder).load(16)
    images, labels = as_arrays(data.held_out)
    rows = tfds.load("tiny_pictures", split="test", data_dir=folder)
    expected = list(tfds.as_numpy(rows))
    np.testing.assert_array_equal(images, [row["image"] for row in expected])
    np.testing.assert_array_equal(labels, [row["label"] for row in expected])
    assert data.classes == ["a", "b", "c"]
    assert (data.num_train, data.num_held_out) == (30, 13)
    assert Source("tiny_pictures", data_dir=folder).native_size() == 16


def test_a_data_set_that_can_not_be_downloaded(tmp_path, monkeypatch):
    # Nothing answers there.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    begin = time.monotonic()
    with pytest.raises(ConnectionError, match=r"mnist.* can't be put there"):
        Source("mnist", data_dir=str(tmp_path)).load(28)
    assert time.monotonic() - begin < 60
    assert not list(tmp_path.rglob("*.tfrecord*"))


def test_a_folder_of_photographs(photographs):
    data = Source(image_folder=str(photographs)).load(24)
    assert data.name == photographs.name
    assert data.classes == ["circles", "stripes", "with checks"]
    assert (data.num_train, data.num_held_out) == (45, 12)
    images, labels = as_arrays(data.held_out)
    assert images.shape == (12, 24, 24, 3)
    assert np.bincount(labels).tolist() == [4, 4, 4]
    rows = [row for row in data.index if row.part == "held_out"]
    assert [row.name for row in rows] == [data.classes[i] for i in labels]


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
    with pytest.raises(UserError, match="batch_size must be at most 1437"):
        steps_in_epoch(digits, 1438)


@pytest.mark.parametrize(
    ("shard", "step", "count", "sizes"),
    [
        (Shard(), 64, 360, [64] * 5 + [40]),
        (Shard(replicas=7), 63, 360, [63] * 5 + [49]),
        # Two machines have half of the images each.
        (Shard(count=2, replicas=2), 64, 359, [32] * 5 + [20]),
        # With seven replicas each: a batch for each of them.
        (Shard(0, 2, 14, batches_a_step=7), 98, 360, [7] * 21 + [5] * 7),
        # Fewer images than machines.
        (Shard(count=3, replicas=3), 3, 2, [1]),
        *slow_cases(
            (Shard(replicas=2), 64, 360, [64] * 5 + [40]),
            (Shard(count=2, replicas=2), 64, 360, [32] * 5 + [20]),
        ),
    ],
)
def test_held_out_batches_divide_and_have_every_image_once(
    digits, shard, step, count, sizes
):
    pictures = digits.held_out_pictures
    pictures = dataclasses.replace(pictures, rows=pictures.rows.take(count))
    data = dataclasses.replace(digits, held_out_pictures=pictures)
    expected = as_arrays(data.held_out)
    all_weights = []
    for index in range(shard.count):
        machine = dataclasses.replace(shard, index=index)
        batches = list(held_out_batches(data, step, machine))
        assert [len(images) for images, *_ in batches] == sizes
        images, labels, weights = (
            np.concatenate(part)
            for part in zip(
                *((*batch, np.ones(len(batch[0])))[:3] for batch in batches),
                strict=True,
            )
        )
        seen = weights > 0
        own = slice(index, None, shard.count)
        np.testing.assert_array_equal(images[seen], expected[0][own])
        np.testing.assert_array_equal(labels[seen].argmax(-1), expected[1][own])
        all_weights.append(weights)
    weights = np.concatenate(all_weights)
    assert np.ptp(weights[weights > 0]) == 0
    assert weights.sum() == pytest.approx(len(weights))


def noted(pictures, read):
    """The same `Pictures`; what is read of them is added to a list."""

    def read_and_note(row):
        contents, orientation = pictures.read(row)
        note = tf.py_function(lambda x: read.append(x.numpy()), [contents], [])
        with tf.control_dependencies([note]):
            return tf.identity(contents), orientation

    return dataclasses.replace(pictures, read=read_and_note)


def test_two_machines_read_every_picture_once_in_all(digits):
    trained, held_out = [], []
    data = dataclasses.replace(
        digits,
        train_pictures=noted(digits.train_pictures, trained),
        held_out_pictures=noted(digits.held_out_pictures, held_out),
    )
    steps = steps_in_epoch(data, 16)
    for index in range(2):
        shard = Shard(index=index, count=2, replicas=2)
        batches = training_batches(
            *(data, 16, steps, 0, Augmentation(DIGITS)), shard=shard
        )
        assert len(list(batches.take(steps))) == steps
        evaluated = held_out_batches(data, 16, shard)
        assert len(list(evaluated)) == len(list(evaluated)) == 23
    assert len(held_out) == 360
    # A few look alike; some are read ahead.
    assert len(set(held_out)) > 0.99 * 360
    assert len(set(trained)) > 0.99 * 16 * steps
    assert len(trained) < 1.5 * 16 * steps


def test_a_part_of_the_pictures_is_chosen_evenly_by_class(digits):
    read = []
    # Of class 0 there are 2, of each other class 34 or more.
    few = digits.held_out_pictures.rows.filter(lambda _, label: label == 0)
    many = digits.held_out_pictures.rows.filter(lambda _, label: label > 0)
    rows = few.take(2).concatenate(many)
    rows = rows.apply(tf.data.experimental.assert_cardinality(326))
    pictures = noted(digits.held_out_pictures, read)
    pictures = dataclasses.replace(pictures, rows=rows)
    chosen, again = pictures.class_balanced(101), pictures.class_balanced(101)
    assert len(chosen) == 101
    assert not read
    pixels, labels = as_arrays(chosen.squares(8))
    assert len(read) == 101
    counts = np.bincount(labels).tolist()
    assert counts[0] == 2
    assert sorted(counts[1:]) == [11] * 9
    np.testing.assert_array_equal(as_arrays(again.squares(8))[0], pixels)
    every = iter(map(bytes, as_arrays(pictures.squares(8))[0]))
    assert all(bytes(image) in every for image in pixels)  # In their order.
    assert pictures.class_balanced(326) is pictures


def test_an_index_is_read_as_it_was_written(tmp_path):
    names = ["a/plain.jpg", 'a/comma, "quotes".jpg', "a/two\nlines.jpg"]
    names.append(os.fsdecode(b"a/\xff no utf-8.jpg"))
    index = [
        IndexedImage(name, "a", part, 500, 333, 6, 12345, "0" * 16, "f" * 64)
        for name, part in zip(
            names, ("train", "held_out", "unreadable", "train"), strict=True
        )
    ]
    write_index(tmp_path / "images.csv", index)
    assert read_index(tmp_path / "images.csv") == index


@pytest.mark.parametrize(
    "contents",
    [
        "",
        "file,class\n",
        "file,class,part\na/0.png,a,train\n",
        f"{HEADER}\na/0.png,a\n",
        f"{HEADER}\na/0.png,a,mine,9,9,1,9,0,0\n",
        f"{HEADER}\na/0.png,b,train,9,9,1,9,0,0\n",
        f"{HEADER}\na/0.png,a,train,9,wide,1,9,0,0\n",
        f"{HEADER}\na/0.png,a,train,9,9,1,0,0\n",
    ],
)
def test_an_index_of_another_shape_is_an_error(tmp_path, contents):
    path = tmp_path / "images.csv"
    path.write_text(contents)
    with pytest.raises(UserError, match=r"images\.csv must"):
        read_index(path)
