"""Fixtures: real runs, made once by the real commands."""

import gc
import os
import shutil

import keras
import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from tests.helpers import QUICK_FILES, TFLITE_FILES
from tests.processes import run_command


def pytest_addoption(parser):
    parser.addoption(
        "--slow",
        action="store_true",
        help="also run the tests that are marked as slow",
    )


def pytest_collection_modifyitems(config, items):
    """Leaves out slow tests, unless they were asked for by option or name.

    The slowest fixtures come first: while one process makes them, the other,
    which begins in the middle, has tests that do without.
    """
    if not runs_slow_tests(config):
        slow = {item for item in items if item.get_closest_marker("slow")}
        config.hook.pytest_deselected(items=list(slow))
        items[:] = [item for item in items if item not in slow]
    slowest = ("digits_export", "digits_run")
    items.sort(
        key=lambda item: [name not in item.fixturenames for name in slowest]
    )


def pytest_collection_finish():
    """What is imported by now is no garbage.

    Every conversion to TFLite collects garbage. To look through all that
    TensorFlow and Keras consist of takes as long as converting a small network.
    """
    import hypothesis  # noqa: F401 - it warns if it is imported after this.

    gc.freeze()


def runs_slow_tests(config):
    named = any("::" in argument for argument in config.args)
    return config.option.slow or named


@pytest.fixture(autouse=True)
def same_network_in_any_order():
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def images():
    """Random pixels."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (20, 16, 16, 3)).astype("uint8")


def made_once(tmp_path_factory, name, make):
    """A folder that one of the test processes makes and all of them use."""
    root = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        root = root.parent
    with FileLock(root / f"{name}.lock"):
        made = root / f"{name}.made"
        if not made.exists():
            make(root / name)
            made.touch()
    return root / name


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    """The folder of a training on digits, by the command of the README."""

    def make(run):
        done = run_command("train.py", "--epochs", 6, "--run", run)
        (run / "stdout.txt").write_text(done.stdout)

    return made_once(tmp_path_factory, "digits", make)


@pytest.fixture(scope="session")
def digits_formats(request):
    """Of `digits_export`, besides a SavedModel: onnx is an extra."""
    return TFLITE_FILES if runs_slow_tests(request.config) else QUICK_FILES


@pytest.fixture(scope="session")
def digits_export(tmp_path_factory, digits_run, digits_formats):
    """The export folder of a copy of it."""
    epochs = ("--epochs", 1) if "int8_qat" in digits_formats else ()

    def make(folder):
        run = shutil.copytree(digits_run, folder / "digits")
        formats = ("--formats", "saved_model", *digits_formats)
        run_command("-m", "export", run, *formats, *epochs)

    folder = made_once(tmp_path_factory, "exported", make)
    return folder / "digits" / "export"


@pytest.fixture(scope="session")
def tiny_tfds(tmp_path_factory):
    """A folder of tensorflow-datasets that holds one, `tiny_pictures`.

    Its 30 training and 13 test images are random, 16 x 16, of three classes.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    random = np.random.default_rng(0)

    def split(count):
        pixels = random.integers(0, 256, (count, 16, 16, 3)).astype("uint8")
        return tf.data.Dataset.from_tensor_slices(
            {"image": pixels, "label": np.arange(count) % 3}
        )

    def make(folder):
        tfds.dataset_builders.store_as_tfds_dataset(
            name="tiny_pictures",
            version="1.0.0",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(16, 16, 3)),
                    "label": tfds.features.ClassLabel(names=["a", "b", "c"]),
                }
            ),
            split_datasets={"train": split(30), "test": split(13)},
            data_dir=folder,
            description="Random pixels.",
        )

    return made_once(tmp_path_factory, "tiny_tfds", make)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """A folder of 57 JPEGs of many sizes: stripes, checks and circles."""

    def picture(name, random):
        height, width = random.integers(20, 60, 2)
        y, x = np.mgrid[:height, :width]
        pattern = {
            "circles": (x - width / 2) ** 2 + (y - height / 2) ** 2 < 100,
            "stripes": x // 4 % 2 > 0,
            "with checks": (x // 4 + y // 4) % 2 > 0,
        }[name]
        colours = random.integers(0, 256, (2, 3))
        return np.where(pattern[..., None], *colours).astype("uint8")

    def make(folder):
        random = np.random.default_rng(0)
        for name in ("circles", "stripes", "with checks"):
            (folder / name).mkdir(parents=True)
            for index in range(19):
                image = Image.fromarray(picture(name, random))
                image.save(folder / name / f"{index}.jpg")

    return made_once(tmp_path_factory, "photographs", make)
