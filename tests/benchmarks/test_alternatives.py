"""Networks of Keras are trained and exported beside ours, each once."""

from pathlib import Path

import keras
import numpy as np

from benchmarks import alternatives
from benchmarks.accuracy import stock_run
from benchmarks.alternative_networks import load
from benchmarks.measure import read_rows
from keras_convmixer.data.index import TEST, TRAIN
from tests.helpers import run_program

MOBILE_NET = "MobileNetV3Small"


def test_a_test_part_of_the_last_file_names(photographs):
    data = load(photographs, size=8)
    names = {TRAIN: set(), TEST: set()}
    for row in data.index:
        names.setdefault(row.part, set()).add(Path(row.file).name)
    tested = names.pop(TEST)
    assert min(tested) > max(set.union(*names.values()))
    assert data.num_test == 12
    assert data.num_train + data.num_held_out == 45


def test_a_network_of_keras_beside_ours(tmp_path, photographs):
    output, work = tmp_path / "alternatives.csv", tmp_path / "work"
    arguments = (photographs, "--networks", "8/1/k3/p8", MOBILE_NET)
    arguments += ("--size", 32, "--batch-size", 8, "--minutes", 1e-4)
    arguments += ("--work", work, "--output", output)
    run_program(alternatives.main, *arguments)

    rows = read_rows(output)
    assert [row["network"] for row in rows] == ["8/1/k3/p8", MOBILE_NET]
    images, labels = next(
        load(photographs, size=32).test.batch(12).as_numpy_iterator()
    )
    for row in rows:
        (folder,) = work.glob(f"*{row['network'].replace('/', '_')}*[0-9]")
        file = folder / "float32.tflite"
        assert file.stat().st_size == int(row["float32_bytes"])
        run = stock_run(file)
        named = [run(image[None]).argmax() for image in images]
        right = named == labels
        assert float(row["top1"]) == round(100 * right.mean(), 2)
        assert float(row["int8_ms"]) > 0
    network = keras.applications.MobileNetV3Small(
        input_shape=(32, 32, 3), weights=None, classes=3
    )
    trained = sum(np.prod(w.shape) for w in network.trainable_weights)
    assert int(rows[1]["parameters"]) == trained

    # What is in the file is not trained again.
    written = output.read_bytes()
    work.rename(tmp_path / "moved")
    run_program(alternatives.main, *arguments)
    assert output.read_bytes() == written
