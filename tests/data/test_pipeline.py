"""From files to batches: without Python, the same however they are read."""

import dataclasses
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_convmixer.data import Source, file_ops, pictures, tfds_images
from keras_convmixer.data.augmentation import Augmentation
from keras_convmixer.data.batches import (
    Shard,
    held_out_batches,
    training_batches,
)
from keras_convmixer.data.decode import read_image, read_orientation
from keras_convmixer.data.reading import Reading, parse_cache
from keras_convmixer.training.recipes import IMAGENET
from keras_convmixer.utils.checks import UserError
from tests.data.odd_files import FILES, noise
from tests.helpers import slow_except

SIDE = 16
EVERYTHING = IMAGENET.replace(image_size=SIDE, shift=0.1)
UNMIXED = EVERYTHING.replace(mixup=0, cutmix=0, rand_augment=0)
SQUARES = UNMIXED.replace(crop=1.0)
ALIASED = EVERYTHING.replace(aliased_resize=0.5)
OTHER = ("cmyk.jpg", "16.png", "moving.gif", "plain.bmp", "photo.webp")
PLAIN = [name for name in FILES if name not in OTHER]


def folder_of(folder, names):
    for part in ("train", "val"):
        for label in ("a", "b"):
            (folder / part / label).mkdir(parents=True)
            for name in names:
                (folder / part / label / name).write_bytes(FILES[name])
    return Source(image_folder=str(folder)).load(SIDE)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """Images of files of all kinds."""
    return folder_of(tmp_path_factory.mktemp("odd"), FILES)


def epoch_of(data, recipe, seed=3, shard=None, **reading):
    """Images and labels of two epochs of two batches."""
    data = dataclasses.replace(data, reading=Reading(**reading))
    batches = training_batches(
        *(data, 8, 2, seed, Augmentation(recipe)),
        shard=shard or Shard(),
    )
    images, labels = zip(*batches.take(4), strict=True)
    return np.stack(images), np.stack(labels)


def test_no_jpeg_and_no_png_passes_through_python(tmp_path, monkeypatch):
    data = folder_of(tmp_path / "plain", PLAIN)
    other = folder_of(tmp_path / "other", [*PLAIN, "moving.gif"])

    def read_by_python(*arguments):
        raise RuntimeError("Python reads an image")

    monkeypatch.setattr(pictures, "read_image", read_by_python)
    for cache in (0, 2**20):
        epoch_of(data, EVERYTHING, cache=cache)
    assert len(list(held_out_batches(data, 8))) == 3
    # The others do, so this would be seen.
    with pytest.raises(tf.errors.OpError, match="Python reads an image"):
        list(held_out_batches(other, 8))


@pytest.mark.parametrize("kind", ["digits", "folder", "tfds"])
def test_whoever_ends_an_iterator_waits_for_no_tuning(kind, odd, tiny_tfds):
    if kind == "digits":
        data = Source(dataset="digits").load(SIDE)
    elif kind == "folder":
        data = odd
    else:
        source = Source(dataset="tiny_pictures", data_dir=str(tiny_tfds))
        data = source.load(SIDE)
    datasets = [
        data.train_pictures.rows,
        data.held_out,
        held_out_batches(data, 8),
        held_out_batches(data, 8, Shard(replicas=7)),
        training_batches(data, 8, 2, 0, Augmentation(EVERYTHING)),
    ]
    # The wait itself depends on how fast the machine is.
    tuned = [dataset.options().autotune.enabled for dataset in datasets]
    assert tuned == [False] * len(datasets)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_decoded_as_pillow_decodes_it(name):
    expected = read_image(name, FILES[name])
    image = file_ops.stored_image(
        tf.constant(FILES[name]),
        read_orientation(FILES[name]) if name in PLAIN else 1,
        lambda: tf.constant(expected),
    )
    np.testing.assert_array_equal(file_ops.decode(image), expected)


@pytest.mark.parametrize("least_side", [None, 60, 30])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_part_of_a_jpeg_has_the_pixels_of_the_whole(subsampling, least_side):
    file = io.BytesIO()
    noise(1, (201, 133)).save(file, "JPEG", subsampling=subsampling)
    image = file_ops.stored_image(
        tf.constant(file.getvalue()), 1, None, least_side
    )
    reduction = {None: 1, 60: 2, 30: 4}[least_side]
    sides = [-(-133 // reduction), -(-201 // reduction)]
    assert image.shape.numpy().tolist() == sides
    every = file_ops.decode(image).numpy()
    assert every.shape == (*sides, 3)
    random = np.random.default_rng(0)
    for _ in range(30):
        top, left = (random.integers(side) for side in sides)
        height = random.integers(1, sides[0] - top + 1)
        width = random.integers(1, sides[1] - left + 1)
        rectangle = tf.constant([top, left, height, width], tf.int32)
        np.testing.assert_array_equal(
            file_ops.decode_part(image, rectangle),
            every[top : top + height, left : left + width],
        )


@pytest.mark.parametrize(
    "recipe",
    slow_except([EVERYTHING, SQUARES, ALIASED], EVERYTHING),
    ids=["crops", "squares", "aliased crops"],
)
def test_values_are_the_same_however_they_are_read(odd, recipe):
    expected, labels = epoch_of(odd, recipe, workers=1, cache=0)
    assert len(np.unique(expected.reshape(32, -1), axis=0)) > 24
    for reading in ({"workers": 3, "cache": 0}, {"workers": 2}):
        images, same = epoch_of(odd, recipe, **reading)
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(same, labels)


@pytest.mark.parametrize("recipe", slow_except([ALIASED, SQUARES], ALIASED))
def test_so_are_those_of_small_images_of_one_size(recipe):
    digits = Source("digits").load(8)
    recipe = recipe.replace(image_size=8)
    expected, labels = epoch_of(digits, recipe, workers=1, cache=0)
    assert len(np.unique(expected.reshape(32, -1), axis=0)) == 32
    images, same = epoch_of(digits, recipe, workers=2)
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(same, labels)


def test_the_images_of_two_machines_are_those_of_one(odd):
    expected, labels = epoch_of(odd, UNMIXED)
    for index in range(2):
        shard = Shard(index=index, count=2, replicas=2)
        images, own = epoch_of(odd, UNMIXED, shard=shard)
        np.testing.assert_array_equal(images, expected[:, index::2])
        np.testing.assert_array_equal(own, labels[:, index::2])


@pytest.mark.parametrize("cache", [0, 2**20])
@pytest.mark.parametrize(
    "recipe",
    slow_except([UNMIXED, SQUARES], SQUARES),
    ids=["crops", "squares"],
)
def test_images_that_fit_in_memory_are_decoded_once(odd, recipe, cache):
    decoded = []

    def noting(pictures):
        def read(row):
            note = tf.py_function(lambda x: decoded.append(int(x)), [row], [])
            with tf.control_dependencies([note]):
                return pictures.read(tf.identity(row))

        return dataclasses.replace(pictures, read=read)

    data = dataclasses.replace(
        odd,
        train_pictures=noting(odd.train_pictures),
        held_out_pictures=noting(odd.held_out_pictures),
        reading=Reading(cache=cache),
    )
    batches = training_batches(data, 8, 3, 0, Augmentation(recipe))
    # To estimate their size, the first ones are read once before.
    decoded.clear()
    list(batches.take(3 * 6))
    assert set(decoded) == set(range(odd.num_train))
    assert (len(decoded) == odd.num_train) == bool(cache)
    decoded.clear()
    batches = held_out_batches(data, 8)
    for _ in range(2):
        list(batches)
    assert len(decoded) == odd.num_held_out * (1 if cache else 2)


def test_the_orientation_of_a_record_is_found_without_python():
    def contents(orientation, kind="JPEG", before=""):
        file = io.BytesIO()
        exif = Image.Exif()
        exif[0x010E] = before  # Description.
        if orientation:
            exif[0x112] = orientation
        noise(0).save(file, kind, exif=exif)
        return file.getvalue()

    big = contents(6).replace(b"II*\0", b"MM\0*")
    assert not file_ops.may_be_turned(contents(None))
    assert not file_ops.may_be_turned(contents(1))
    assert not file_ops.may_be_turned(contents(1, "PNG", "photo"))
    for orientation in range(2, 9):
        for kind in ("JPEG", "PNG"):
            file = contents(orientation, kind, "a photo")
            assert file_ops.may_be_turned(file)
            assert tfds_images.exif_orientation(file) == orientation
    assert tfds_images.exif_orientation(big) == read_orientation(big)
    swapped = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0"
    assert file_ops.may_be_turned(swapped)


def test_transparency_becomes_white_as_pillow_has_it():
    levels = np.arange(256).astype("uint8")
    alpha, color = np.meshgrid(levels, levels)
    pixels = np.stack([color, color[::-1], 255 - alpha, alpha], -1)
    image = Image.fromarray(pixels)
    white = Image.new("RGBA", image.size, "white")
    expected = Image.alpha_composite(white, image).convert("RGB")
    np.testing.assert_array_equal(
        file_ops.on_white(tf.constant(pixels)), np.asarray(expected)
    )


def test_the_budget_of_the_cache():
    assert parse_cache("auto") == Reading().cache == 2**30
    assert parse_cache("off") == 0
    assert parse_cache("4000000") == 4_000_000
    for wrong in ("-1", "0", "2 GB", ""):
        with pytest.raises(UserError, match="cache must be auto, off or a"):
            parse_cache(wrong)
