"""Training, `evaluate` and `classify` see the same pixels of a file."""

import io
import os

import numpy as np
import pytest
import tensorflow_datasets as tfds

import keras_convmixer
from keras_convmixer.data.decode import read_image
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from keras_convmixer.evaluation.stored_images import (
    dataset_images,
    folder_images,
)
from keras_convmixer.utils.checks import UserError
from tests.data.odd_files import FILES

SIDE = 16


def evaluated(pictures):
    """What `evaluate` gives a model, by the picture's name."""
    return {
        stored.name: square
        for batch in pictures.batches(SIDE, {})
        for stored, square in zip(batch.stored, batch.images, strict=True)
    }


@pytest.fixture
def photos(tmp_path):
    """The same files in two classes of two parts."""
    for part in ("train", "val", "test"):
        for name in ("a", "b"):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for file, contents in FILES.items():
                (folder / file).write_bytes(contents)
    return tmp_path


def test_the_loader_for_fit_sees_what_evaluate_sees(photos):
    loaded = keras_convmixer.image_folder(photos, SIDE, batch_size=5)
    assert loaded.classes == ["a", "b"]
    for part, folder in (("held_out", "val"), ("test", "test")):
        images, labels = map(
            np.concatenate, zip(*getattr(loaded, part), strict=True)
        )
        squares = evaluated(folder_images(photos / folder))
        assert images.dtype == np.uint8
        assert images.shape == (len(squares), SIDE, SIDE, 3)
        assert np.bincount(labels).tolist() == [len(FILES)] * 2
        assert sorted(map(bytes, images)) == sorted(
            map(bytes, squares.values())
        )
    # `classify` and `center_crop` too.
    for name, square in squares.items():
        photo = read_image(photos / "test" / name)
        cropped = keras_convmixer.center_crop(photo, SIDE)
        np.testing.assert_array_equal(cropped, square)


def test_the_loader_for_fit_shuffles_and_holds_out_by_the_seed(photos):
    def images_of(seed):
        loaded = keras_convmixer.image_folder(
            photos / "train", SIDE, batch_size=7, seed=seed
        )
        epochs = [
            np.concatenate([images for images, _ in dataset])
            for dataset in (loaded.train, loaded.train, loaded.held_out)
        ]
        assert loaded.test is None
        return epochs

    first, second, held_out = images_of(0)
    assert len(first) + len(held_out) == 2 * len(FILES)
    assert len(held_out) == 6
    assert (first != second).any()
    assert sorted(map(bytes, first)) == sorted(map(bytes, second))
    again = images_of(0)
    np.testing.assert_array_equal(again[0], first)
    np.testing.assert_array_equal(again[2], held_out)
    assert (images_of(1)[2] != held_out).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image_size": (32, 32)}, r"image_size must be a positive integer"),
        ({"batch_size": 0}, "batch_size must be a positive integer"),
        ({"path": "nowhere"}, "image_folder must be a folder"),
        ({"duplicates": "no"}, "duplicates must be one of"),
    ],
)
def test_the_loader_for_fit_names_wrong_arguments(photos, arguments, words):
    arguments = {"path": photos, "image_size": 8} | arguments
    with pytest.raises(UserError, match=words):
        keras_convmixer.image_folder(**arguments)


class OddImages(tfds.core.GeneratorBasedBuilder):
    """A data set whose records are image files of many kinds."""

    VERSION = tfds.core.Version("1.0.0")
    NAMES = ()  # Of the splits.

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=["a", "b"]),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, manager):
        return {name: self._generate_examples() for name in self.NAMES}

    def _generate_examples(self):
        for number, contents in enumerate(FILES.values()):
            image = io.BytesIO(contents)
            yield number, {"image": image, "label": number % 2}


def prepared(folder, names):
    builder = OddImages(data_dir=folder)
    builder.NAMES = names
    builder.download_and_prepare()
    return Source(dataset=builder.name, data_dir=str(folder))


def test_a_data_set_is_read_in_training_as_in_evaluation(tmp_path):
    source = prepared(tmp_path, ("train", "test"))
    images, _ = as_arrays(source.load(SIDE).held_out)
    squares = evaluated(dataset_images(source, "test"))
    assert len(images) == len(FILES)
    for image, (name, square) in zip(images, squares.items(), strict=True):
        np.testing.assert_array_equal(image, square, err_msg=name)


def test_a_data_set_without_training_images_names_its_splits(tmp_path):
    source = prepared(tmp_path, ("test", "extra"))
    with pytest.raises(UserError, match=r"no split 'train'.*has: extra, test"):
        source.load(SIDE)
    assert dataset_images(source, "test").count == len(FILES)


def test_names_that_are_not_utf_8_are_read(photos):
    odd = os.fsdecode(b"\xff.jpg")
    (photos / "val" / "a" / "wide.jpg").rename(photos / "val" / "a" / odd)
    loaded = keras_convmixer.image_folder(photos, SIDE)
    assert sum(len(labels) for _, labels in loaded.held_out) == 2 * len(FILES)
