"""`python train.py`: from images to a run folder."""

import csv
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from keras_convmixer.command_line.train import main
from keras_convmixer.data.batches import held_out_batches
from keras_convmixer.data.source import Source
from keras_convmixer.evaluation.predictions import predict
from keras_convmixer.features import freeze
from keras_convmixer.runs import Plan, RunFolder
from keras_convmixer.training.callbacks import SaveModel
from keras_convmixer.training.compile import compile_for_training
from keras_convmixer.training.recipes import DIGITS
from keras_convmixer.training.train import begin, finish
from keras_convmixer.utils.checks import UserError
from tests.helpers import run_program
from tests.processes import ROOT, run_command


def test_writes_the_run_folder(digits_run):
    names = {path.name for path in digits_run.iterdir()}
    assert names >= {
        "model.keras",
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


def test_the_last_epoch_is_kept_and_the_held_out_images_decide_nothing(
    digits_run,
):
    with open(digits_run / "history.csv", newline="") as file:
        accuracies = [float(r["val_accuracy"]) for r in csv.DictReader(file)]
    metrics = json.loads((digits_run / "metrics.json").read_text())
    assert metrics["top1"] == pytest.approx(accuracies[-1], abs=1e-6)
    assert metrics["decided"] == "the temperature"
    printed = (digits_run / "stdout.txt").read_text()
    assert "on 360 images (also used to choose the temperature)" in printed


def test_the_best_epoch_is_kept_on_request_and_said_to_be_chosen(tmp_path):
    path = tmp_path / "model.keras"
    model, plain = (
        keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        for _ in range(2)
    )
    save = SaveModel(path, plain, "best", best=0.5)
    save.set_model(model)
    for epoch, accuracy in enumerate((0.4, 0.8, 0.9, 0.7)):
        model.layers[0].bias.assign([epoch])
        save.on_epoch_end(epoch, {"val_accuracy": accuracy, "val_loss": 1})
        if epoch != 1:
            save.write()
    with pytest.raises(RuntimeError, match="Epoch 5: the held-out loss is NaN"):
        save.on_epoch_end(4, {"val_accuracy": 1, "val_loss": float("nan")})
    assert keras.saving.load_model(path).layers[0].bias[0] == 2
    plan = Plan(DIGITS, Source("digits"), keep="best")
    assert (
        plan.held_out_used_for == "the epoch that was kept and the temperature"
    )


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
        f"path = {str(digits_run / 'model.keras')!r}\n"
        "model = keras.saving.load_model(path)\n"
        "print(model.predict(np.zeros((2, 8, 8, 3)), verbose=0).shape)\n"
        "assert 'keras_convmixer' not in sys.modules",
        cwd=tmp_path,
    )
    assert "(2, 10)" in done.stdout


def test_model_holds_no_optimizer(digits_run):
    model = keras.saving.load_model(digits_run / "model.keras")
    assert not model.compiled


def test_trains_on_tensorflow_datasets(tiny_tfds, tmp_path):
    printed = run_program(
        main,
        *("--dataset", "tiny_pictures", "--data-dir", tiny_tfds),
        *("--epochs", 1, "--limit-steps", 1, "--batch-size", 8),
        *("--model", "16/2/k7/p4@16", "--run", tmp_path / "run"),
    )
    assert "16/2, kernel 7, patch 4, 16 x 16 pixels" in printed
    assert "30 training, 13 held out" in printed
    assert not (tmp_path / "run" / "images.csv").exists()


@pytest.mark.slow
def test_two_replicas_evaluate_any_number_of_held_out_images(
    tiny_tfds, tmp_path
):
    run = tmp_path / "run"
    done = run_command(
        *("train.py", "--dataset", "tiny_pictures", "--data-dir", tiny_tfds),
        # The first batch of 13 can't be halved.
        *("--replicas", 2, "--epochs", 2, "--batch-size", 14),
        *("--model", "8/1/k3/p2@16", "--run", run, "--keep", "best"),
        "--no-calibration",  # With it the loss is another.
    )
    assert "replicas  2" in done.stdout
    assert "CPU:1" in done.stdout
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    best = max(rows, key=lambda row: float(row["val_accuracy"]))
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["images"] == 13
    assert metrics["decided"] == "the epoch that was kept"
    assert float(best["val_accuracy"]) == pytest.approx(metrics["top1"])
    # What was trained in its place had layers of its own.
    model = keras.saving.load_model(run / "model.keras")
    data = RunFolder(run).data()
    model.compile(loss="categorical_crossentropy")
    loss = model.evaluate(held_out_batches(data, 13), verbose=0)
    assert float(best["val_loss"]) == pytest.approx(loss, rel=1e-5)
    assert type(model.get_layer("stem_norm")) is keras.layers.BatchNormalization


@pytest.mark.slow
def test_a_run_on_photographs_goes_on_without_looking_at_them(
    photographs, tmp_path
):
    run, test = tmp_path / "run", tmp_path / "test"
    for name in ("circles", "stripes", "with checks"):
        (test / name).mkdir(parents=True)
        with Image.open(photographs / name / "0.jpg") as image:
            image.rotate(90).save(test / name / "0.jpg")
    printed = run_command(
        *("train.py", "--image-folder", photographs, "--test-folder", test),
        *("--run", run, "--model", "8/1/k3/p2@8"),
        *("--batch-size", 45, "--epochs", 1),
    ).stdout
    assert "60/60" in printed
    assert "on 3 images (evaluated once)" in printed
    assert (run / "images.csv").read_text().count("held_out") == 6
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["images"] == 6
    assert metrics["test"]["images"] == 3
    again = RunFolder(run)
    top1 = predict(again.trained_model(), again.data().test).top1
    assert metrics["test"]["top1"] == top1
    (run / "metrics.json").unlink()
    with open(run / "config.json") as file:
        config = json.load(file)
    config["recipe"]["epochs"] = 2
    (run / "config.json").write_text(json.dumps(config))
    done = run_command("train.py", "--resume", run)
    assert "51 training, 6 held out, 3 test" in done.stdout
    assert "60/60" not in done.stdout
    assert again.data().num_held_out == 6


@pytest.mark.slow
def test_sixteen_bits_leave_a_model_of_thirty_two(tmp_path):
    run = tmp_path / "run"
    run_command(
        *("train.py", "--epochs", 1, "--limit-steps", 4, "--run", run),
        *("--model", "8/1/k3/p2@8", "--mixed-precision", "float16"),
        *("--label-smoothing", 0.1, "--weight-decay", 0),
    )
    config = json.loads((run / "config.json").read_text())
    assert config["mixed_precision"] == "float16"
    assert config["recipe"]["label_smoothing"] == 0.1
    assert config["recipe"]["weight_decay"] == 0
    model = keras.saving.load_model(run / "model.keras")
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}


@pytest.mark.slow
def test_averaged_weights_are_as_good_as_the_trained(digits_run, tmp_path):
    run = tmp_path / "run"
    run_program(
        main,
        *("--epochs", 6, "--run", run),
        # As long as ten times the training, whose beginning must not count.
        *("--ema", 0.999, "--tensorboard"),
    )
    top1, plain = (
        json.loads((folder / "metrics.json").read_text())["top1"]
        for folder in (run, digits_run)
    )
    assert top1 > plain - 0.01
    assert list((run / "tensorboard" / "train").glob("events.*"))
    ours, trained = (
        keras.saving.load_model(folder / "model.keras").get_weights()
        for folder in (run, digits_run)
    )
    for averaged, last in zip(ours, trained, strict=True):
        if len(averaged) > 3:  # Not the normalisation of the pixels.
            assert (averaged != last).any()


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


@pytest.mark.slow
def test_frozen_blocks_stay_as_they_were(digits_run, tmp_path):
    run = tmp_path / "run"
    run_program(
        main,
        *("--epochs", 1, "--limit-steps", 2, "--run", run),
        *("--weights", digits_run / "model.keras", "--freeze", 1),
    )
    before, after = (
        keras.saving.load_model(folder / "model.keras")
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


def test_channels_first_is_refused(tmp_path):
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(UserError, match="must be 'channels_last' to train"):
            finish(*begin(Plan(DIGITS, Source("digits")), tmp_path / "run"))
    finally:
        keras.config.set_image_data_format("channels_last")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_error_begins_on_its_own_line(tmp_path):
    run, model = tmp_path / "run", "8/1/k3/p2@8"
    options = ("--run", run, "--model", model, "--learning-rate", "1e30")
    done = subprocess.run(
        [sys.executable, "train.py", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1].startswith("error: ")
