"""The clients of the test environment, and the page of all of them."""

import json
import warnings

import keras
import numpy as np
import pytest

from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from tests.clients.__main__ import RIGHT, page
from tests.clients.files import IMAGES
from tests.clients.in_client import agreement, litert, run_files, tensorflow


@pytest.fixture(scope="module")
def folder(digits_export, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clients")
    (folder / "digits").symlink_to(digits_export.parent)
    images, _ = as_arrays(Source("digits").load(8).held_out, IMAGES)
    model = keras.saving.load_model(folder / "digits" / "model.keras")
    classes = model.predict(images, verbose=0).argmax(-1)
    np.savez(folder / "digits.npz", images=images, classes=classes)
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
    lines = cells(tmp_path, files)
    newest = next(line for line in lines if line[0] == "litert-newest")
    assert newest[1:6] == ["9.9", "2026-01-02", "1 of 3", "0.50", "1"]
    assert ["litert-newest", "c.tflite", "no"] in lines
    (oldest,) = [line for line in lines if line[0] == "litert-oldest"]
    assert oldest[3] == "not run"


def test_the_page_has_a_table_of_the_cifar10_network(tmp_path):
    names = {"int8": 0.98, "dynamic": "no"}
    files = {f"cifar10/cifar10_{k}.tflite": v for k, v in names.items()}
    lines = cells(tmp_path, files)
    at = lines.index(["client", "dynamic", "int8", "int8_fast"])
    assert lines[at + 2] == ["litert-newest", "not run", "0.98", "not run"]


def cells(folder, files):
    """Of the page's lines, where the newest LiteRT answered so of files."""
    result = {"version": "9.9", "date": "2026-01-02", "files": files}
    (folder / "litert-newest.json").write_text(json.dumps(result))
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page(folder).splitlines()
    ]
