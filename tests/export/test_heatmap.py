"""`python -m export.classify --heatmap`: what a network looks at, drawn."""

import os

import numpy as np
import pytest
from PIL import Image

from benchmarks import heat_maps
from export import classify
from keras_convmixer import center_crop
from keras_convmixer.data.decode import read_image
from keras_convmixer.evaluation.classifier import Classifier
from keras_convmixer.evaluation.heatmap import HeatMaps
from tests.helpers import run_program
from tests.processes import run_command


@pytest.fixture
def photograph(tmp_path):
    """A wide picture whose middle square, 64 x 64, is a vertical line."""
    pixels = np.zeros((64, 128, 3), "uint8")
    pixels[8:56, 60:68] = 255
    path = tmp_path / "one.png"
    Image.fromarray(pixels).save(path)
    return path


def test_a_place_of_the_map_is_a_patch_of_the_middle_square(
    digits_run, photograph
):
    classifier = Classifier(digits_run)
    maps = HeatMaps(classifier.model, classifier.labels)
    each_place, whole = maps.probabilities(read_image(photograph))
    assert each_place.shape == (8, 8, 10)
    np.testing.assert_allclose(each_place.sum(-1), 1, rtol=1e-5)
    square = center_crop(read_image(photograph), classifier.size)
    (expected,) = classifier(square[None])
    np.testing.assert_allclose(whole, expected, rtol=1e-4, atol=1e-6)
    assert classifier.labels == [str(digit) for digit in range(10)]


def test_the_command_draws_a_picture_for_each_image(
    digits_run, photograph, tmp_path
):
    file = digits_run / "model.keras"
    other = tmp_path / "two.png"
    Image.open(photograph).rotate(90, expand=True).save(other)
    folder = tmp_path / "new" / "maps"
    run_command(
        *("-m", "export.classify", file, photograph, other),
        *("--heatmap", folder),
    )
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["one.png", "two.png"]
    with Image.open(folder / "one.png") as drawn:
        assert drawn.width > 2 * drawn.height
        assert np.ptp(np.asarray(drawn)) > 200


def test_images_of_one_name_have_a_heat_map_each(
    digits_run, photograph, tmp_path
):
    contents = photograph.read_bytes()
    maps = tmp_path / "maps"
    images = ["a/1.png", "b/1.png", "b/1.jpg", "B/1_2.png", "b/$$x_^.png"]
    images += [os.fsdecode(b"b/\xff.png"), "maps/own.png"]
    for name in images:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(contents)
    printed = run_program(
        *(classify.main, digits_run, *(tmp_path / name for name in images)),
        *("--heatmap", maps),
    )
    names = ["1", "1_2", "1_3", "1_2_2", "$$x_^", os.fsdecode(b"\xff")]
    names = [f"{name}.png" for name in [*names, "own_2"]]
    assert {path.name for path in maps.iterdir()} == {*names, "own.png"}
    assert printed.count("heat map: ") == len(images)
    # An image that is in the folder is not drawn over.
    assert (maps / "own.png").read_bytes() == contents
    with pytest.raises(SystemExit):
        classify.main(
            [*map(str, (digits_run, photograph, "--heatmap", photograph))]
        )
    assert photograph.read_bytes() == contents


def test_right_and_wrong_answers_are_drawn(digits_run, tmp_path):
    drawn = tmp_path / "maps.png"
    run_program(heat_maps.main, digits_run, "--output", drawn)
    with Image.open(drawn) as picture:
        assert np.ptp(np.asarray(picture)) > 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("x.tflite", "a.jpg", "--heatmap", "b.png"),
            "needs a run or a .keras file",
        ),
        (
            ("x.keras", "a.jpg", "b.jpg", "--heatmap", "c.png"),
            "must be a folder for several images. Received: c.png",
        ),
    ],
)
def test_what_can_not_be_drawn_is_one_line(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        classify.parse_arguments(arguments)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --heatmap")
    assert words in line
