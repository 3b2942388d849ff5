"""What the commands do, from Python."""

import re
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

import keras_convmixer
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from keras_convmixer.utils.checks import UserError
from tests.helpers import run_example
from tests.processes import ROOT

OLD = ROOT / "tests" / "fixtures" / "format_0"


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
    with pytest.raises(UserError, match=r"a list. Received: 'photo\.png'"):
        classifier.predict("photo.png")


@pytest.mark.parametrize("name", ["export/digits_float32.tflite", "."])
def test_a_batch_of_another_kind_is_refused(digits_export, name):
    classifier = keras_convmixer.load(digits_export.parent / name)
    images = np.zeros((2, 8, 8, 3), "uint8")
    for wrong in (images[:0], images[0], images[:, :7], images / 255):
        with pytest.raises(UserError, match=re.escape(f"{wrong.shape}")):
            classifier(wrong)
    assert classifier(images).shape == (2, 10)


def test_threads_are_a_positive_number(digits_export):
    with pytest.raises(UserError, match="threads must be a positive"):
        keras_convmixer.load(digits_export / "digits_int8.tflite", threads=0)


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


def test_a_training_is_exported_and_classifies_a_photo(tmp_path):
    folder = OLD / "photos"
    run = keras_convmixer.train(
        str(tmp_path / "run"),
        image_folder=folder,
        model="16/2/k3/p4@16",
        epochs=3,
        batch_size=8,
        flip=False,
        cache=2**24,
    )
    plan = run.read_config().plan
    assert (plan.recipe.dim, plan.recipe.epochs, plan.recipe.flip) == (
        *(16, 3),
        False,
    )
    results = keras_convmixer.export_model(
        run, ["float32", "int8"], min_agreement=0
    )
    assert [result.path for result in results] == [
        run.export_folder / f"run_{format}.tflite"
        for format in ("float32", "int8")
    ]
    path = next(folder.rglob("*.png"))
    for result in results:
        assert result.bytes == result.path.stat().st_size
        classifier = keras_convmixer.load(result.path)
        (of_file,) = classifier.predict([path])
        assert of_file.label in run.read_config().classes
    (of_run,) = keras_convmixer.load(run).predict([path])
    (of_float,) = keras_convmixer.load(results[0].path).predict([path])
    np.testing.assert_allclose(
        of_float.probabilities, of_run.probabilities, atol=1e-5
    )
    with pytest.raises(UserError, match="is finished"):
        keras_convmixer.resume(run)
    with pytest.raises(UserError, match="labels can't be given"):
        keras_convmixer.export_model(run, ["float32"], labels=["a"])
    with pytest.raises(ValueError, match="min_agreement must be from 0 to 1"):
        keras_convmixer.export_model(run, ["float32"], min_agreement=98)


@pytest.mark.slow
def test_the_examples_of_training_and_export_are_right(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_example(keras_convmixer.train)
    run_example(keras_convmixer.export_model)
    shutil.copytree(OLD / "interrupted", "runs/photos")
    shutil.copytree(OLD / "photos", "moved/photos")
    run_example(keras_convmixer.resume)


def test_a_mistake_is_answered_before_anything_is_trained(tmp_path):
    for options, words in (
        ({"epoch": 3}, "unknown option 'epoch'. Did you mean 'epochs'"),
        ({"freeze": 1}, "freeze needs weights"),
        ({"dataset": "digits", "image_folder": "x"}, "not both"),
        ({"recipe": "digit"}, "Did you mean 'digits'"),
        ({"model": "convmixer_768"}, "convmixer_768"),
        ({"weights": "imagenett"}, "imagenett"),
        ({"model": keras.Sequential()}, "model must be one of .* <Sequential"),
    ):
        with pytest.raises(UserError, match=words):
            keras_convmixer.train(tmp_path / "run", **options)
    assert not list(tmp_path.iterdir())


def test_a_mistake_is_answered_before_anything_is_exported(tmp_path):
    file = tmp_path / "none.keras"
    for formats, words in (
        (["float32"], f"a .keras file .*Received: {file}"),
        ("float32", "must be a list of names. Received: 'float32'"),
        ([], "must be a list of names"),
    ):
        with pytest.raises(UserError, match=words):
            keras_convmixer.export_model(file, formats, tmp_path / "files")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_keras_model_is_exported_in_any_format_or_in_none(
    digits_export, tmp_path
):
    run = digits_export.parent
    classifier = keras_convmixer.load(run)
    images, labels = as_arrays(Source("digits").load(8).held_out, 40)
    options = {
        "labels": classifier.labels,
        "representative_images": images,
        "verification": (images, labels),
    }
    folder = tmp_path / "files"
    formats = ["saved_model", "float32", "int8"]
    results = keras_convmixer.export_model(
        classifier.model, formats, folder, **options
    )
    assert [result.format for result in results] == formats
    assert sorted(folder.iterdir()) == sorted(r.path for r in results)
    assert min(result.top1 for result in results) > 0.9
    # A `.keras` file is the same; of a training it may get other labels.
    names = [f"digit {name}" for name in classifier.labels]
    (again,) = keras_convmixer.export_model(
        run / "model.keras", ["int8"], folder, **options | {"labels": names}
    )
    assert keras_convmixer.load(again.path).labels == names
    before = results[2].path.stat().st_mtime_ns
    model = classifier.model
    # Of images that hardly differ, the class is a matter of rounding.
    noise = np.random.default_rng(0).integers(-1, 2, images.shape)
    similar = np.uint8(np.clip(images[0] // 2 + 60 + noise, 0, 255))
    head = model.get_layer("head")
    features = keras.Model(model.input, head.input).predict(similar, verbose=0)
    kernel, _ = head.get_weights()
    head.set_weights([kernel, -features.mean(0) @ kernel])
    wrong = options | {"verification": (similar, None)}
    with pytest.raises(keras_convmixer.AgreementError, match=r"_int8\.tflite"):
        keras_convmixer.export_model(
            model, ["float32", "int8"], folder, **wrong
        )
    assert results[2].path.stat().st_mtime_ns == before
    assert again.path.is_file()
    for wrong, words in (
        ({"folder": None}, "needs a folder"),
        ({"formats": ["int8_qat"]}, "the folder of a training"),
        ({"formats": ["int9"]}, "Did you mean 'int8'"),
        ({"verification": None, "representative_images": None}, "was not run"),
        ({"min_agreement": 98}, "from 0 to 1"),
    ):
        given = {"formats": ["float32"], "folder": folder, **options, **wrong}
        with pytest.raises(UserError, match=words):
            keras_convmixer.export_model(model, **given)
