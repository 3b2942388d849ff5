"""Folders of images with a training, a held-out and a test part."""

import shutil

import numpy as np
import pytest

from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from keras_convmixer.runs import Plan, RunFolder
from keras_convmixer.training import RECIPES
from keras_convmixer.utils.checks import UserError

CLASSES = ["circles", "stripes", "with checks"]


@pytest.fixture
def photos(photographs, tmp_path):
    """A folder with 15 photographs of each class in train and 4 in test."""
    for name in CLASSES:
        for index in range(19):
            part = "test" if index < 4 else "train"
            folder = tmp_path / "photos" / part / name
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(photographs / name / f"{index}.jpg", folder)
    return tmp_path / "photos"


def files_of(data, part):
    return sorted(row.file for row in data.index if row.part == part)


def test_a_test_part_is_found_and_a_tenth_of_the_rest_held_out(photos):
    data = Source(image_folder=str(photos)).load(24)
    assert data.classes == CLASSES
    assert (data.num_train, data.num_held_out, data.num_test) == (40, 5, 12)
    assert files_of(data, "test") == [
        f"test/{name}/{index}.jpg" for name in CLASSES for index in range(4)
    ]
    rows = [row for row in data.index if row.part == "test"]
    images, labels = as_arrays(data.test)
    assert images.shape == (12, 24, 24, 3)
    assert [CLASSES[label] for label in labels] == [row.name for row in rows]
    # Not one class after another: some of the images are of all classes.
    assert (np.diff(labels) < 0).any()
    assert data.held_out_split.startswith("5 of 45, stratified, seed 0")
    assert data.verification_pictures is data.test_pictures
    assert data.verification_pictures is data.test_pictures
    assert data.test_split.startswith("12 in folder test, file names ")
    assert data.verification_part == "test"


@pytest.mark.parametrize("name", ["val", "validation"])
def test_a_held_out_part_of_its_own(photos, name):
    (photos / "test").rename(photos / name)
    data = Source(image_folder=str(photos), seed=5).load(24)
    assert (data.num_train, data.num_held_out, data.num_test) == (45, 12, 0)
    assert {row.split("/")[0] for row in files_of(data, "held_out")} == {name}
    assert data.held_out_split.startswith("12 in folder ")
    assert data.test is None
    assert data.verification_pictures is data.held_out_pictures
    assert data.verification_part == "held-out"


def test_a_test_part_elsewhere_is_the_same(photos, tmp_path):
    inside = Source(image_folder=str(photos)).load(24)
    expected = as_arrays(inside.test)
    (photos / "test").rename(tmp_path / "last week")
    source = Source(
        image_folder=str(photos), test_folder=str(tmp_path / "last week")
    )
    data = source.load(24)
    assert files_of(data, "train") == files_of(inside, "train")
    assert files_of(data, "test")[0] == "../last week/circles/0.jpg"
    for ours, theirs in zip(as_arrays(data.test), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    again = source.absolute().load(24, data.index)
    assert again.test_split == data.test_split
    (tmp_path / "last week" / "circles" / "0.jpg").unlink()
    with pytest.raises(UserError, match=r"vanished: \.\./last week/circles/0"):
        source.load(24, data.index)


def run_with_test_folder(photos, test_folder):
    """A new run, whose test part was moved to another folder; its data."""
    (photos / "test").rename(test_folder)
    source = Source(image_folder=str(photos), test_folder=str(test_folder))
    data = source.load(24)
    plan = Plan(RECIPES["photographs"].replace(image_size=24), source)
    run = RunFolder.new(test_folder.parent / "run", plan, data, replicas=1)
    return run, data


def test_a_run_that_lost_its_index_reads_the_folders_again(photos, tmp_path):
    run, data = run_with_test_folder(photos, tmp_path / "later")
    run.index_path.unlink()
    again = run.data()
    assert again.test_split == data.test_split
    assert again.held_out_split == data.held_out_split


def test_a_test_part_elsewhere_may_have_folders_in_its_classes(
    photos, tmp_path
):
    (photos / "test" / "circles").rename(photos / "of may")
    (photos / "test" / "circles").mkdir()
    (photos / "of may").rename(photos / "test" / "circles" / "of may")
    run, data = run_with_test_folder(photos, tmp_path / "later")
    assert run.data().test_split == data.test_split
    (tmp_path / "later").rename(tmp_path / "moved")
    moved = run.data(test_folder=tmp_path / "moved")
    assert files_of(moved, "test")[0] == "../moved/circles/of may/0.jpg"


def test_a_class_that_is_called_test(photos):
    (photos / "train" / "circles").rename(photos / "train" / "test")
    (photos / "train" / "stripes").rename(photos / "train" / "train")
    data = Source(image_folder=str(photos / "train")).load(24)
    assert data.classes == ["test", "train", "with checks"]
    assert data.num_test == 0


def test_a_class_that_a_part_lacks_is_named(photos, capsys):
    shutil.rmtree(photos / "test" / "stripes")
    data = Source(image_folder=str(photos)).load(24)
    assert data.classes == CLASSES
    assert data.num_test == 8
    assert "no images of stripes in test" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("unknown", "training classes. Unknown: boats"),
        ("empty", "test must hold images"),
        ("two", "val or validation, not both"),
        ("twice", "has a test split already"),
        ("missing", "test_folder must be a folder"),
        ("same", "test_folder must not be in image_folder"),
        ("broken", "no image of the test split can be read"),
    ],
)
def test_parts_that_do_not_fit_are_an_error(photos, change, words):
    root, test_folder = photos, None
    if change == "unknown":
        (photos / "test" / "boats").mkdir()
    elif change == "empty":
        shutil.rmtree(photos / "test")
        (photos / "test").mkdir()
    elif change == "two":
        for name in ("val", "validation"):
            (photos / name).mkdir()
    elif change == "twice":
        test_folder = str(photos / "test")
    elif change == "missing":
        root, test_folder = photos / "train", str(photos / "later")
    elif change == "same":
        root, test_folder = photos / "train", str(photos / "train")
    else:
        for path in (photos / "test").rglob("*.jpg"):
            path.write_bytes(b"404: not found")
    with pytest.raises(UserError, match=r"photos|test_folder") as error:
        Source(image_folder=str(root), test_folder=test_folder).load(24)
    assert words in str(error.value)


def test_a_test_folder_is_that_of_an_image_folder():
    with pytest.raises(UserError, match="test_folder is for an image folder"):
        Source("digits", test_folder="photos")


def test_a_data_set_with_a_validation_and_a_test_split(tmp_path):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    def split(count, label):
        pixels = np.zeros((count, 8, 8, 3), "uint8")
        labels = np.full(count, label)
        return tf.data.Dataset.from_tensor_slices(
            {"image": pixels, "label": labels}
        )

    def write(name, test_label):
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version="1.0.0",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 3)),
                    "label": tfds.features.ClassLabel(num_classes=2),
                }
            ),
            split_datasets={
                "train": split(5, 0),
                "validation": split(3, 1),
                "test": split(2, test_label),
            },
            data_dir=tmp_path,
        )

    write("three_parts", test_label=1)
    data = Source("three_parts", data_dir=str(tmp_path)).load(8)
    assert (data.num_train, data.num_held_out, data.num_test) == (5, 3, 2)
    assert data.held_out_split == "split 'validation' of three_parts/1.0.0"
    assert data.test_split == "split 'test' of three_parts/1.0.0"
    # As some are published, to be judged by their host alone.
    write("no_labels", test_label=-1)
    data = Source("no_labels", data_dir=str(tmp_path)).load(8)
    assert (data.num_train, data.num_held_out, data.num_test) == (5, 3, 0)
