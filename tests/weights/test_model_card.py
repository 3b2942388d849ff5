"""The tool that puts a trained network into the package."""

import re

import numpy as np

from keras_convmixer.runs.run_folder import RunFolder
from keras_convmixer.weights import load_weights
from tests.helpers import run_program
from tools import model_card


def test_the_card_is_that_of_the_run(digits_run, tmp_path):
    command = "convmixer train --dataset digits"
    options = ["--command", command, "--made-on", "A machine, 1 minute"]
    run_program(model_card.main, digits_run, *options, "--folder", tmp_path)

    (card,) = tmp_path.glob("*.md")
    text = card.read_text()
    model, recipe, data = RunFolder(digits_run).read()
    weights = card.with_suffix(".safetensors")
    shipped = recipe.build(classes=10)
    load_weights(shipped, weights)
    for old, new in zip(
        model.get_weights(), shipped.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(old, new)

    images, labels = map(
        np.stack, zip(*data.held_out.as_numpy_iterator(), strict=True)
    )
    is_right = shipped.predict(images, verbose=0).argmax(-1) == labels
    assert f"**{is_right.mean():.2%}** of 360 held-out images" in text
    rows = re.findall(r"^\| (\d) +\| (\d+) +\| ([\d.]+) ", text, re.M)
    recalls = {(label, images): float(r) for label, images, r in rows[:10]}
    assert recalls == {
        (str(label), str((labels == label).sum())): round(
            100 * is_right[labels == label].mean(), 1
        )
        for label in range(10)
    }
    assert f"{command}\n" in text
    assert "temperature" in text
    for picture in re.findall(r"\]\((.*png)\)", text):
        assert (tmp_path / picture).is_file()
