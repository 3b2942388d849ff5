"""`load` and `evaluate`: what the commands do, from Python."""

import shutil

import numpy as np
import pytest
from PIL import Image

import keras_convmixer
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from keras_convmixer.utils.checks import UserError
from tests.helpers import run_example


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Held-out digits, 30 x 20 pixels, in a folder for each class."""
    folder = tmp_path_factory.mktemp("photos")
    images, labels = as_arrays(Source("digits").load(8).held_out, 40)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / str(label) / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        photo = Image.fromarray(image).resize((20, 20))
        canvas = Image.new("RGB", (30, 20))
        canvas.paste(photo, (5, 0))
        canvas.save(path)
    return folder


@pytest.mark.parametrize(
    "name", ["", "export/saved_model", "export/digits_int8.tflite"]
)
def test_paths_and_arrays_are_classified_alike(name, digits_export, photos):
    classifier = keras_convmixer.load(digits_export.parent / name)
    path = next(photos.rglob("*.png"))
    pixels = np.array(Image.open(path))
    of_path, of_text, of_array, of_floats = classifier.predict(
        [path, str(path), pixels, np.float32(pixels)]
    )
    assert of_path.label in classifier.labels
    assert of_path.probability == of_path.probabilities.max()
    assert of_path.is_sure
    square = keras_convmixer.center_crop(pixels, 8)[None]
    np.testing.assert_array_equal(of_path.probabilities, classifier(square)[0])
    for other in (of_text, of_array, of_floats):
        np.testing.assert_array_equal(
            of_path.probabilities, other.probabilities
        )


def test_grey_arrays_are_taken_and_what_is_no_image_is_an_error(
    digits_export, photos, tmp_path
):
    classifier = keras_convmixer.load(digits_export / "digits_int8.tflite")
    grey = np.full((9, 12, 1), 77)
    same = classifier.predict([grey, np.repeat(grey, 3, -1)])
    assert same[0].label == same[1].label
    (tmp_path / "text.png").write_text("no image")
    for wrong in (tmp_path / "text.png", np.zeros((8, 8)), grey / 255):
        with pytest.raises(UserError):
            classifier.predict([wrong])


def test_a_folder_is_scored(digits_export, photos, tmp_path, monkeypatch):
    file = digits_export / "digits_int8.tflite"
    classifier = keras_convmixer.load(file)
    result = keras_convmixer.evaluate(classifier, image_folder=photos)
    paths = sorted(photos.rglob("*.png"))
    named = [prediction.label for prediction in classifier.predict(paths)]
    right = [n == p.parent.name for n, p in zip(named, paths, strict=True)]
    assert result.scores.images == result.images == 40
    assert result.top1 == pytest.approx(np.mean(right))
    assert len(result.mistakes) == min(40 - sum(right), 24)
    monkeypatch.chdir(tmp_path)
    shutil.copy(file, tmp_path)
    shutil.copytree(photos, "newer")
    Image.open(paths[0]).save("photo.jpg")
    run_example(keras_convmixer.evaluate)
    run_example(keras_convmixer.load)


def test_what_can_not_be_scored_is_refused(digits_export, photos):
    file = digits_export / "digits_int8.tflite"
    for arguments in (
        {},
        {"image_folder": photos, "dataset": "digits"},
        {"image_folder": photos, "split": "test"},
        {"image_folder": photos / "3"},
    ):
        with pytest.raises(UserError):
            keras_convmixer.evaluate(file, **arguments)
