"""The examples in the docstrings of the public functions are right."""

import doctest
import inspect

import keras
import pytest
from PIL import Image

import keras_convmixer
from keras_convmixer.variants import VARIANTS
from tests.helpers import run_example

# They are large; their text is that of ConvMixer_256_8, but for the numbers.
LARGE = [
    name.replace("convm", "ConvM")
    for name in VARIANTS
    if name != "convmixer_256_8"
]

# They need files: see below and tests/export.
OF_FILES = {
    *("evaluate", "export_model", "export_tflite", "image_folder", "load"),
    *("read_image", "resume", "train"),
}
ALL = {*keras_convmixer.__all__} - {"AgreementError"}


def examples(name):
    text = inspect.getdoc(getattr(keras_convmixer, name))
    return doctest.DocTestParser().get_doctest(text, {}, name, None, 0)


@pytest.mark.parametrize("name", sorted(ALL - {*LARGE} - OF_FILES))
def test_examples_of_public_functions_are_right(name):
    found = examples(name)
    run = [e for e in found.examples if doctest.SKIP not in e.options]
    assert run, f"{name} has no example"
    assert doctest.DocTestRunner().run(found).failed == 0


@pytest.mark.parametrize("name", LARGE)
def test_large_variants_have_the_example_of_the_small_one(name):
    def template(name):
        return [e.source.replace(name, "NAME") for e in examples(name).examples]

    assert template(name) == template("ConvMixer_256_8")


def test_the_example_of_reading_an_image_is_right(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (30, 20)).save("photo.jpg")
    crop = keras_convmixer.center_crop
    run_example(keras_convmixer.read_image, center_crop=crop)


# Keras warns of its own default.
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
def test_the_example_of_a_folder_is_right(tmp_path, monkeypatch, photographs):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to(photographs)
    network = (8, 1, 3, 4)
    model = keras_convmixer.ConvMixer(
        *network, input_shape=(32, 32, 3), classes=3
    )
    model.compile(keras.optimizers.AdamW(), "sparse_categorical_crossentropy")
    run_example(keras_convmixer.image_folder, model=model)
    assert model.optimizer.iterations > 0
