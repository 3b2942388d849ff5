"""The clients of the test environment, and the page of all of them."""

import json
import warnings

import keras
import numpy as np
import pytest

from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from tests.clients.__main__ import IMAGES, RIGHT, page
from tests.clients.in_client import agreement, litert, run_files, tensorflow


@pytest.fixture(scope="module")
def folder(digits_export, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clients")
    (folder / "digits").symlink_to(digits_export.parent)
    images, _ = as_arrays(Source("digits").load(8).held_out, IMAGES)
    model = keras.saving.load_model(folder / "digits" / "model.keras")
    classes = model.predict(images, verbose=0).argmax(-1)
    np.savez(folder / "images.npz", images=images, digits=classes)
    return folder


@pytest.mark.parametrize("load", [litert, tensorflow])
def test_every_file_names_what_keras_does(folder, digits_formats, load):
    with warnings.catch_warnings():
        # TensorFlow's interpreter says that LiteRT's will replace it.
        warnings.simplefilter("ignore")
        found = run_files(load, folder)
    files = {f"digits/digits_{format}.tflite" for format in digits_formats}
    if load is tensorflow:
        files.add("digits/saved_model")
    assert set(found) == files
    for file, share in found.items():
        assert not isinstance(share, str), (file, share)
        assert share >= RIGHT, (file, share)


def test_a_file_that_can_not_be_run_is_told(tmp_path):
    (tmp_path / "torn.tflite").write_bytes(b"no flatbuffer")
    answer = agreement(litert, tmp_path / "torn.tflite", [], [])
    assert answer.startswith("ValueError: ")


def test_the_page_tells_right_refused_and_not_run(tmp_path):
    files = {"a.tflite": 0.5, "b.tflite": 1, "c.tflite": "no"}
    result = {"version": "9.9", "date": "2026-01-02", "files": files}
    (tmp_path / "litert-newest.json").write_text(json.dumps(result))
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page(tmp_path).splitlines()
    ]
    newest = next(line for line in lines if line[0] == "litert-newest")
    assert newest[1:6] == ["9.9", "2026-01-02", "1 of 3", "0.50", "1"]
    assert ["litert-newest", "c.tflite", "no"] in lines
    (oldest,) = [line for line in lines if line[0] == "litert-oldest"]
    assert oldest[3] == "not run"
