"""The network builds, trains and computes the same without TensorFlow."""

import csv
import json
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from tests.processes import ROOT, run_python

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

np.savez(
    sys.argv[1], corrections=corrections, logits=logits, features=features,
    pixels=pixels, trained=trained, loss=float(loss), moved=moved,
    variables=len(before),
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
def test_a_confident_mistake_has_a_gradient(results, backend):
    corrections = np.load(results / f"{backend}.npz")["corrections"]
    assert corrections[0] < 0 < corrections[2]


@pytest.fixture(scope="module")
def jax_runs(tmp_path_factory, tiny_tfds):
    """Two trainings by JAX on two devices: one was killed and resumed."""
    folder = tmp_path_factory.mktemp("jax")
    killed, whole = folder / "killed", folder / "whole"
    options = [
        *("train.py", "--dataset", "tiny_pictures", "--data-dir", tiny_tfds),
        *("--model", "8/1/k3/p2@16", "--batch-size", 14, "--replicas", 2),
        *("--epochs", 3, "--ema", 0.9, "--no-calibration", "--run"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "jax")
        arguments = [sys.executable, *map(str, [*options, killed])]
        with subprocess.Popen(
            arguments, cwd=ROOT, stdout=subprocess.DEVNULL
        ) as training:
            while not (killed / "backup.weights.h5").exists():
                assert training.poll() is None
                time.sleep(0.02)
            training.kill()
        run_python("train.py", "--resume", killed)
        printed = run_python(*options, whole).stdout
    assert "cpu:0, cpu:1" in printed
    assert "30 training, 13 held out" in printed
    return killed, whole


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


def test_tensorflow_exports_what_jax_trained(jax_runs, monkeypatch):
    # The same environment: an export has Keras run on TensorFlow by itself.
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    run_python("-m", "export", jax_runs[1], "--formats", "float32")
    assert (jax_runs[1] / "export" / "whole_float32.tflite").is_file()


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
