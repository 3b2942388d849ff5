"""The network builds, trains and computes the same without TensorFlow."""

import contextlib
import csv
import json
import os
import shlex
import subprocess
import sys
import time

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from export import classify
from tests.helpers import run_program
from tests.processes import ROOT, run_python
from tests.training.test_workers import SECONDS, two_addresses

pytestmark = pytest.mark.slow
GOLDEN = ROOT / "tests" / "fixtures" / "timm_golden"

PROGRAM = f"""
import sys
import keras, numpy as np
from keras_convmixer import ConvMixer, feature_model

golden = {str(GOLDEN)!r}
x = np.load(golden + "/gelu_k9_p7.npz")["x"]
model = ConvMixer(
    24, 2, 9, 7, classes=7, input_shape=(63, 63, 3), dropout=0.1,
    include_preprocessing=False, weights=golden + "/gelu_k9_p7.safetensors",
)
logits = model.predict(x, verbose=0)
features = feature_model(model).predict(x, verbose=0)["block_1"]
pixels = ConvMixer(
    24, 2, 9, 7, classes=7, input_shape=(63, 63, 3),
    weights=golden + "/gelu_k9_p7.safetensors",
).predict(np.clip(64 * x + 128, 0, 255), verbose=0)

before = model.get_weights()
model.compile("sgd", "sparse_categorical_crossentropy")
loss = model.train_on_batch(x, np.arange(4))
trained = model.predict(x, verbose=0)
moved = sum((a != b).any() for a, b in zip(before, model.get_weights()))
model.save(sys.argv[1] + ".keras")

from keras_convmixer.data.source import Source
from keras_convmixer.runs import Plan
from keras_convmixer.training.recipes import DIGITS
from keras_convmixer.training.train import prepare

plan = Plan(DIGITS.replace(dim=4, depth=1, kernel_size=3), Source("digits"))
model = prepare(plan, lambda: plan.source.load(8)).model
head = model.get_layer("head")
biases = np.array([20.0, 0, -20, 0, 0, 0, 0, 0, 0, 0])
head.set_weights([np.zeros((4, 10)), biases])
model.train_on_batch(np.zeros((2, 8, 8, 3)), np.eye(10)[[2, 2]])
corrections = head.get_weights()[1] - biases

from keras_convmixer.training.callbacks import NaNLossError, StopOnNaN

images, stopped = np.full((2, 8, 8, 3), np.nan), False
try:
    model.fit(
        images, np.eye(10)[[2, 2]], epochs=2, verbose=0,
        callbacks=[StopOnNaN()],
    )
except NaNLossError:
    stopped = True

np.savez(
    sys.argv[1], corrections=corrections, logits=logits, features=features,
    pixels=pixels, trained=trained, loss=float(loss), moved=moved,
    variables=len(before), stopped=stopped,
)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What each backend computes, in a process of its own."""
    folder = tmp_path_factory.mktemp("backends")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("tensorflow", "jax"):
            patch.setenv("KERAS_BACKEND", name)
            run_python("-c", PROGRAM, folder / f"{name}.npz")
    return folder


@pytest.mark.parametrize("output", ["logits", "features", "pixels"])
def test_jax_computes_what_tensorflow_computes(results, output):
    expected = np.load(results / "tensorflow.npz")[output]
    difference = np.abs(np.load(results / "jax.npz")[output] - expected).max()
    print(f"{output}: {difference / np.abs(expected).max():.2e} of the largest")
    assert difference <= 1e-5 * np.abs(expected).max()


def test_jax_trains_every_weight(results):
    jax = np.load(results / "jax.npz")
    assert np.isfinite(jax["loss"])
    assert jax["moved"] == jax["variables"]


def test_tensorflow_reads_what_jax_saved(results):
    model = keras.models.load_model(results / "jax.npz.keras")
    x = np.load(GOLDEN / "gelu_k9_p7.npz")["x"]
    expected = np.load(results / "jax.npz")["trained"]
    np.testing.assert_allclose(
        model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_nan_loss_ends_a_training(results, backend):
    """JAX does not wait for the loss of a step before the next begins."""
    assert np.load(results / f"{backend}.npz")["stopped"]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_confident_mistake_has_a_gradient(results, backend):
    corrections = np.load(results / f"{backend}.npz")["corrections"]
    assert corrections[0] < 0 < corrections[2]


TRAINING = (
    *("train.py", "--dataset", "tiny_pictures", "--model", "8/1/k3/p2@16"),
    *("--batch-size", 14, "--epochs", 3, "--ema", 0.9, "--no-calibration"),
)


def jax_process(*arguments, **variables):
    """A new interpreter, whose Keras is on JAX from the start."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def jax_runs(tmp_path_factory, tiny_tfds):
    """Two trainings by JAX on two devices: one was killed and resumed."""
    folder = tmp_path_factory.mktemp("jax")
    killed, whole = folder / "killed", folder / "whole"
    options = [*TRAINING, "--data-dir", tiny_tfds, "--replicas", 2, "--run"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "jax")
        with jax_process(
            *options, killed, "--backup-minutes", 1e-9
        ) as training:
            while not is_within_an_epoch(killed):
                assert training.poll() is None
                time.sleep(0.02)
            training.kill()
        resumed = run_python("train.py", "--resume", killed).stdout
        printed = run_python(*options, whole).stdout
    assert "goes on in epoch" in resumed
    assert "cpu:0, cpu:1" in printed
    assert "30 training, 13 held out" in printed
    (whole / "stdout.txt").write_text(printed)
    return killed, whole


def is_within_an_epoch(run):
    try:
        with h5py.File(run / "backup.weights.h5") as file:
            return file.attrs["steps"] > 0
    except OSError:  # There is none yet.
        return False


def test_two_processes_of_jax_train_as_one_does(jax_runs, tiny_tfds, tmp_path):
    run = tmp_path / "run"
    addresses = two_addresses()
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(
                jax_process(
                    *(*TRAINING, "--data-dir", tiny_tfds, "--run", run),
                    TF_CONFIG=json.dumps(
                        {
                            "cluster": {"worker": addresses},
                            "task": {"type": "worker", "index": index},
                        }
                    ),
                )
            )
            for index in range(2)
        ]
        for process in processes:
            stack.callback(process.kill)
        for process in processes:
            printed, errors = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, printed + errors
    assert "held-out top-1" not in printed  # Only the first one evaluates.
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["images"] == 13
    ours, expected = (
        np.concatenate([*map(np.ravel, model.get_weights())])
        for model in (
            keras.saving.load_model(folder / "model.keras")
            for folder in (run, jax_runs[1])
        )
    )
    # Each device has other images of the same batches: sums are rounded
    # otherwise.
    change = np.linalg.norm(ours - expected) / np.linalg.norm(expected)
    print(f"weights differ by {change:.1e}")
    assert change < 1e-2


def test_jax_resumes_a_training(jax_runs):
    killed, whole = (
        keras.saving.load_model(run / "model.keras").get_weights()
        for run in jax_runs
    )
    for ours, expected in zip(killed, whole, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)
    assert (jax_runs[0] / "history.csv").read_text().count("\n") == 4


def test_jax_evaluates_any_number_of_held_out_images(jax_runs):
    for run in jax_runs:
        top1 = json.loads((run / "metrics.json").read_text())["top1"]
        with open(run / "history.csv", newline="") as file:
            *_, last = csv.DictReader(file)
        assert float(last["val_accuracy"]) == pytest.approx(top1, abs=1e-6)


def test_tensorflow_exports_what_jax_trained(jax_runs, tmp_path, monkeypatch):
    # The same environment: an export has Keras run on TensorFlow by itself.
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    printed = (jax_runs[1] / "stdout.txt").read_text().splitlines()[-1]
    words = shlex.split(printed.removeprefix("next: python "))
    run_python(*words, "--formats", "float32")
    file = jax_runs[1] / "export" / "whole_float32.tflite"
    photo = tmp_path / "photo.png"
    Image.new("RGB", (20, 16), "red").save(photo)
    answer = run_program(classify.main, file, photo)
    assert "photo.png" in answer


def test_a_backend_that_does_not_train_is_named_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    done = run_python("train.py", "--run", tmp_path / "run", check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: Keras' backend (KERAS_BACKEND) must be one")
    assert line.endswith("tensorflow, jax to train. Received: torch")
    assert not (tmp_path / "run").exists()


def test_an_unknown_backend_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "foo")
    done = run_python(
        *("-m", "keras_convmixer", "convert-weights"),
        *(GOLDEN / "gelu_k8_p2.safetensors", tmp_path / "model.keras"),
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: Keras' backend (KERAS_BACKEND) must be one of 'tensorflow', "
        "'jax', 'torch'. Received: 'foo'.\n"
    )
