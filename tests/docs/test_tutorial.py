"""The tutorial is executed whole, and was saved with what came out."""

import re

import keras
import nbformat
import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest

from keras_convmixer import center_crop
from tests.docs.tutorial import (
    PICTURE,
    TUTORIAL,
    execute_tutorial,
    photo_and_map,
)
from tests.helpers import interpreter


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    return execute_tutorial(tmp_path_factory.mktemp("tutorial"))


def printed(notebook):
    return "".join(
        output.get("text", "")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.get("name") == "stdout"
    )


@pytest.mark.slow
def test_it_ends_with_a_file_that_agrees_with_keras(executed):
    notebook, work = executed
    (agreement,) = re.findall(r"as Keras on (\d+)%", printed(notebook))
    images = [*(work / "photos" / "held_out").rglob("*.*")]
    agreeing = round(int(agreement) / 100 * len(images))
    # Of so few images a share of 98 % can't be asked for.
    assert binomtest(agreeing, len(images)).proportion_ci().high >= 0.98
    assert "INFO:" not in printed(notebook)
    assert not any(
        output.output_type == "error"
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )
    # The file is right by itself, on pictures from the disk.
    runner = interpreter(
        (work / "photos.tflite").read_bytes()
    ).get_signature_runner()
    folders = sorted((work / "photos" / "held_out").iterdir())
    right = [
        index == run_file(runner, path)
        for index, folder in enumerate(folders)
        for path in sorted(folder.iterdir())
    ]
    assert np.mean(right) >= 0.9


def run_file(runner, path):
    picture = keras.utils.img_to_array(keras.utils.load_img(path))
    image = center_crop(picture, 32)
    return runner(image=image[None])["probabilities"].argmax()


@pytest.mark.slow
def test_it_draws_the_heat_maps(executed):
    _, work = executed
    drawn = photo_and_map(work / "heat_maps.jpg")
    with Image.open(PICTURE) as saved:
        assert drawn.size == saved.size
    assert np.ptp(np.asarray(drawn)) > 200
    assert PICTURE.stat().st_size < 200_000


def test_it_is_saved_with_its_outputs():
    notebook = nbformat.read(TUTORIAL, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    numbers = [cell.execution_count for cell in code]
    assert numbers == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    kinds = {kind for output in outputs for kind in output.get("data", ())}
    assert "image/jpeg" in kinds
    assert not any(output.output_type == "error" for output in outputs)
    assert "the same class as Keras" in printed(notebook)
    for path in ("/home/", "/root", "/tmp", "/work", "/Users/"):
        assert path not in TUTORIAL.read_text()
