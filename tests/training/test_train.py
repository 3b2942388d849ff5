"""`python train.py`: from images to a run folder."""

import csv
import json

import keras
import numpy as np
import pytest

from keras_convmixer.features import freeze
from keras_convmixer.training.compile import compile_for_training
from keras_convmixer.training.recipes import DIGITS
from tests.helpers import run_command, shared


def test_writes_the_run_folder(digits_run):
    names = {path.name for path in digits_run.iterdir()}
    assert names >= {
        "best.keras",
        "config.json",
        "history.csv",
        "labels.txt",
        "metrics.json",
        "plots",
    }
    plots = {path.name for path in (digits_run / "plots").iterdir()}
    names = "augmented confusion history kernels mistakes patches"
    assert plots == {f"{name}.png" for name in names.split()}


def test_leaves_no_temporary_file(digits_run):
    assert not list(digits_run.glob(".*"))


def test_prints_what_it_derived(digits_run):
    printed = (digits_run / "stdout.txt").read_text()
    for words in (
        "replicas  1",
        "global batch  64",
        "steps an epoch  22",
        "32,650 parameters",
        "1,437 training, 360 held out",
    ):
        assert words in printed


def test_learns_digits(digits_run):
    metrics = json.loads((digits_run / "metrics.json").read_text())
    assert metrics["top1"] > 0.93
    assert metrics["images"] == 360


def test_best_model_is_that_of_the_best_epoch(digits_run):
    with open(digits_run / "history.csv", newline="") as file:
        accuracies = [float(r["val_accuracy"]) for r in csv.DictReader(file)]
    metrics = json.loads((digits_run / "metrics.json").read_text())
    assert metrics["top1"] == pytest.approx(max(accuracies), abs=1e-6)


def test_config_tells_how_to_repeat_the_training(digits_run):
    config = json.loads((digits_run / "config.json").read_text())
    assert config["recipe"]["epochs"] == 6
    assert config["source"]["dataset"] == "digits"
    assert config["seed"] == 0
    assert config["classes"] == [str(digit) for digit in range(10)]
    assert config["versions"]["keras"] == keras.__version__


def test_model_loads_with_nothing_but_keras(digits_run, tmp_path):
    done = run_command(
        "-c",
        "import sys, keras, numpy as np\n"
        f"model = keras.saving.load_model({str(digits_run / 'best.keras')!r})\n"
        "print(model.predict(np.zeros((2, 8, 8, 3)), verbose=0).shape)\n"
        "assert 'keras_convmixer' not in sys.modules",
        cwd=tmp_path,
    )
    assert "(2, 10)" in done.stdout


def test_model_holds_no_optimizer(digits_run):
    model = keras.saving.load_model(digits_run / "best.keras")
    assert not model.compiled


def test_trains_on_tensorflow_datasets(tmp_path):
    done = run_command(
        "train.py",
        *("--dataset", "cifar10", "--data-dir", shared("tfds")),
        *("--epochs", 1, "--limit-steps", 1, "--image-size", 8),
        *("--model", "16/2/k7/p4", "--run", tmp_path / "run"),
    )
    assert "16/2, kernel 7, patch 4, 8 x 8 pixels" in done.stdout
    assert "45,000 training, 5,000 held out" in done.stdout


def test_two_replicas_train(tmp_path):
    done = run_command(
        "train.py",
        *("--replicas", 2, "--epochs", 2, "--limit-steps", 3),
        *("--run", tmp_path / "run"),
    )
    assert "replicas  2" in done.stdout
    assert "CPU:1" in done.stdout
    model = keras.saving.load_model(tmp_path / "run" / "best.keras")
    assert not model.get_layer("stem_norm").synchronized


def test_sixteen_bits_leave_a_model_of_thirty_two(tmp_path):
    run = tmp_path / "run"
    run_command(
        *("train.py", "--epochs", 1, "--limit-steps", 4, "--run", run),
        *("--mixed-precision", "float16"),
        *("--label-smoothing", 0.1, "--weight-decay", 0),
    )
    config = json.loads((run / "config.json").read_text())
    assert config["mixed_precision"] == "float16"
    assert config["recipe"]["label_smoothing"] == 0.1
    assert config["recipe"]["weight_decay"] == 0
    model = keras.saving.load_model(run / "best.keras")
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}


def test_averaged_weights_are_what_is_saved(tmp_path):
    run = tmp_path / "run"
    run_command(
        *("train.py", "--epochs", 1, "--limit-steps", 3, "--run", run),
        # An average that stays where the first of the steps led.
        *("--ema", 1, "--tensorboard"),
    )
    keras.utils.set_random_seed(0)
    beginning = DIGITS.build(10)
    saved = keras.saving.load_model(run / "best.keras")
    for ours, theirs in zip(
        saved.trainable_variables, beginning.trainable_variables, strict=True
    ):
        # AdamW's first step is its rate; the second one's is 0.0076.
        np.testing.assert_allclose(ours, theirs, atol=0.0043)
    assert list((run / "tensorboard" / "train").glob("events.*"))


def test_accumulated_gradients_are_those_of_a_larger_batch():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (32, 8, 8, 3)).astype("float32")
    labels = np.eye(10)[random.integers(0, 10, 32)]
    weights = []
    for accumulation in (1, 2):
        keras.utils.set_random_seed(0)
        recipe = DIGITS.replace(depth=1, dim=8, accumulation=accumulation)
        model = recipe.build(10)
        # Norms use the statistics of a batch, which here is another one.
        freeze(model, 1)
        compile_for_training(model, recipe, total_steps=4)
        # The schedule counts batches, so that its rates would differ.
        model.optimizer._learning_rate = 0.01
        size = 32 // accumulation
        model.fit(images, labels, size, epochs=2, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-6)


def test_a_recipe_by_name(tmp_path):
    run = tmp_path / "run"
    run_command(
        *("train.py", "--recipe", "cifar10", "--model", "8/1/k3/p2@8"),
        *("--epochs", 1, "--limit-steps", 1, "--batch-size", 32),
        *("--no-flip", "--cutmix", 0, "--run", run),
    )
    recipe = json.loads((run / "config.json").read_text())["recipe"]
    assert recipe["rand_augment"] == 9
    assert recipe["mixup"] == 0.5
    assert recipe["cutmix"] == 0
    assert not recipe["flip"]


def test_frozen_blocks_stay_as_they_were(digits_run, tmp_path):
    run = tmp_path / "run"
    run_command(
        *("train.py", "--epochs", 1, "--limit-steps", 2, "--run", run),
        *("--weights", digits_run / "best.keras", "--freeze", 1),
    )
    before, after = (
        keras.saving.load_model(folder / "best.keras")
        for folder in (digits_run, run)
    )
    changed = {
        layer.name: any(
            (old != new).any()
            for old, new in zip(
                layer.get_weights(),
                after.get_layer(layer.name).get_weights(),
                strict=True,
            )
        )
        for layer in before.layers
        if layer.weights and layer.name != "normalization"
    }
    for name, has_changed in changed.items():
        assert has_changed != name.startswith(("stem_", "block_0_")), name
