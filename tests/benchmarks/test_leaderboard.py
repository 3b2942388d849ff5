"""The table of the weights in the package."""

import shutil

import numpy as np
import pytest

from benchmarks import arm64, leaderboard
from benchmarks.emulated.core import PROGRAMS
from benchmarks.measure import read_rows
from benchmarks.networks import shipped_network
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.evaluation.scores import expected_calibration_error
from keras_convmixer.weights.shipped import shipped_files
from tests.helpers import run_program, shared


def test_a_file_is_scored_as_keras_is(tmp_path, monkeypatch):
    is_installed = (arm64.FOLDER / "packages").exists()
    if not is_installed or not all(map(shutil.which, PROGRAMS)):
        pytest.skip("needs the core that `python -m benchmarks.arm64` installs")
    data_dir, output = shared("tfds"), tmp_path / "leaderboard.csv"
    (first, *_) = shipped_files()
    monkeypatch.setattr(leaderboard, "shipped_files", lambda: [first])
    options = ["--images", "40", "--formats", "float32", "--output", output]
    run_program(leaderboard.main, "--data-dir", data_dir, *options)

    (row,) = read_rows(output)
    model, data = shipped_network(first, str(data_dir))
    images, labels = as_arrays(data.held_out, 40)
    probabilities = model.predict(images, verbose=0)
    top1 = 100 * (probabilities.argmax(-1) == labels).mean()
    assert float(row["top1"]) == pytest.approx(top1, abs=0.01)
    error = 100 * expected_calibration_error(probabilities, labels)
    assert float(row["ece"]) == pytest.approx(error, abs=0.02)
    assert float(row["agreement"]) == 100
    kernels = sum(np.prod(w.shape) for w in model.trainable_weights)
    assert int(row["bytes"]) > 4 * kernels
    assert int(row["arm_instructions"]) > 1e7
