"""Networks are trained for equal time, each once; those of Keras alike."""

from pathlib import Path

import keras
import numpy as np

from benchmarks import alternatives
from benchmarks.accuracy import stock_run
from benchmarks.alternative_networks import build, load
from benchmarks.measure import read_rows
from keras_convmixer.data.index import TEST
from keras_convmixer.training.recipes import PHOTOGRAPHS
from tests.helpers import run_program


def test_a_test_part_of_the_last_file_names(photographs):
    data = load(photographs, size=8)
    names = {True: set(), False: set()}
    for row in data.index:
        names[row.part == TEST].add(Path(row.file).name)
    assert min(names[True]) > max(names[False])
    assert data.num_test == 12
    assert data.num_train + data.num_held_out == 45


def test_a_network_of_keras_is_trained_on_logits():
    recipe = PHOTOGRAPHS.replace(image_size=32)
    model = build("MobileNetV3Small", recipe, 3, classifier_activation=None)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3))
    network = keras.applications.MobileNetV3Small(
        input_shape=(32, 32, 3), weights=None, classes=3
    )
    network.set_weights(model.get_weights())
    np.testing.assert_allclose(
        keras.ops.softmax(model(pixels)), network(pixels), atol=1e-6
    )


def test_each_network_is_trained_once(tmp_path, photographs):
    output, work = tmp_path / "alternatives.csv", tmp_path / "work"
    arguments = (photographs, "--networks", "8/1/k3/p8", "--minutes", 1e-4)
    arguments += ("--size", 32, "--batch-size", 8)
    arguments += ("--work", work, "--output", output)
    run_program(alternatives.main, *arguments)

    (row,) = read_rows(output)
    (folder,) = work.glob("photographs*")
    file = folder / "float32.tflite"
    assert file.stat().st_size == int(row["float32_bytes"])
    images, labels = next(
        load(photographs, size=32).test.batch(12).as_numpy_iterator()
    )
    run = stock_run(file)
    right = [run(image[None]).argmax() for image in images] == labels
    assert float(row["top1"]) == round(100 * right.mean(), 2)
    assert float(row["int8_ms"]) > 0

    # What is in the file is not trained again.
    written = output.read_bytes()
    work.rename(tmp_path / "moved")
    run_program(alternatives.main, *arguments)
    assert output.read_bytes() == written
