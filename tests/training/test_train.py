"""`python train.py`: from images to a run folder."""

import csv
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_convmixer.command_line.train import main
from keras_convmixer.data.augmentation import Augmentation
from keras_convmixer.data.batches import held_out_batches, training_batches
from keras_convmixer.data.image_data import ImageData
from keras_convmixer.data.pictures import Pictures
from keras_convmixer.data.source import Source
from keras_convmixer.features import freeze
from keras_convmixer.training import Plan, RunFolder
from keras_convmixer.training.announce import (
    class_counts,
    warn_of_imbalance,
)
from keras_convmixer.training.callbacks import SaveModel
from keras_convmixer.training.compile import OneCycle, compile_for_training
from keras_convmixer.training.evaluation import predict
from keras_convmixer.training.recipes import DIGITS
from keras_convmixer.training.train import train
from keras_convmixer.utils.checks import UserError
from tests.helpers import run_program
from tests.processes import run_command, run_python, start


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
    assert "on 360 images, which decided the temperature" in printed


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
    with pytest.raises(RuntimeError, match="Epoch 5: the held-out loss is NaN"):
        save.on_epoch_end(4, {"val_accuracy": 1, "val_loss": float("nan")})
    assert keras.saving.load_model(path).layers[0].bias[0] == 2
    plan = Plan(DIGITS, Source("digits"), keep="best")
    assert plan.decided == "the epoch that was kept and the temperature"


def test_config_tells_how_to_repeat_the_training(digits_run):
    config = json.loads((digits_run / "config.json").read_text())
    assert config["recipe"]["epochs"] == 6
    assert config["source"]["dataset"] == "digits"
    assert config["seed"] == 0
    assert config["classes"] == [str(digit) for digit in range(10)]
    assert config["versions"]["keras"] == keras.__version__


def test_model_loads_with_nothing_but_keras(digits_run, tmp_path):
    done = run_python(
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


def test_a_run_on_photographs_goes_on_without_looking_at_them(
    photographs, tmp_path
):
    run, test = tmp_path / "run", tmp_path / "test"
    for name in ("circles", "stripes", "with checks"):
        (test / name).mkdir(parents=True)
        with Image.open(photographs / name / "0.jpg") as image:
            image.rotate(90).save(test / name / "0.jpg")
    with start(
        *("train.py", "--image-folder", photographs, "--test-folder", test),
        *("--run", run, "--model", "8/1/k3/p2@8"),
        *("--batch-size", 45, "--epochs", 1),
    ) as process:
        printed = process.communicate()[0]
    assert "60/60" in printed
    assert "on 3 images, looked at this once" in printed
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


def unbalanced(counts):
    """Random images, so many of each class."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    pixels = random.integers(0, 256, (len(labels), 8, 8, 3)).astype("uint8")
    files = [tf.io.encode_png(image) for image in pixels]
    images = Pictures(
        rows=tf.data.Dataset.from_tensor_slices((files, labels)),
        read=lambda contents: (contents, tf.constant(1)),
        decode=lambda row, contents: tf.io.decode_png(contents, 3),
        buffer=len(labels),
    )
    names = [f"class {i}" for i in range(len(counts))]
    return ImageData("random", names, 8, images, images, "all", index=[])


def test_balanced_classes_count_the_same_in_the_loss():
    data = unbalanced([5, 15, 40])
    weights = data.balanced_weights()
    # Each class has the same in sum, and an image 1 in the mean.
    np.testing.assert_allclose(weights * [5, 15, 40], [20, 20, 20])
    recipe = DIGITS.replace(dim=8, depth=1, mixup=0.5, label_smoothing=0.1)
    images, labels, given = next(
        training_batches(
            data=data,
            batch_size=60,
            steps=1,
            seed=0,
            augmentation=Augmentation(recipe),
            class_weights=weights,
        ).as_numpy_iterator()
    )
    assert (labels.max(-1) < 1).any()  # Some are mixed.
    np.testing.assert_allclose(given, labels @ weights, rtol=1e-6)
    model = recipe.build(3)
    compile_for_training(model, recipe, total_steps=1)
    probabilities = keras.ops.convert_to_numpy(model(images, training=True))
    smooth = 0.9 * labels + 0.1 / 3
    losses = -(smooth * np.log(probabilities)).sum(-1)
    loss, _ = model.train_on_batch(images, labels, given)
    assert loss == pytest.approx((given * losses).mean(), rel=1e-5)


def test_classes_of_few_images_are_named(capsys):
    few = unbalanced([5, 15, 49])
    assert class_counts(few) == "class 0 5, class 1 15, class 2 49"
    assert class_counts(unbalanced(range(1, 23))) == (
        "least class 0 1, median class 11 12, most class 21 22"
    )
    warn_of_imbalance(few)
    assert capsys.readouterr().out == ""
    warn_of_imbalance(unbalanced([5, 15, 50]))
    (line,) = capsys.readouterr().out.splitlines()
    assert "class 2 has 50 training images and class 0 5" in line


def test_a_recipe_by_name(tmp_path):
    run = tmp_path / "run"
    run_program(
        main,
        *("--recipe", "cifar10", "--model", "8/1/k3/p2@8"),
        *("--epochs", 1, "--limit-steps", 1, "--batch-size", 32),
        *("--no-flip", "--cutmix", 0, "--run", run),
        *("--class-weights", "balanced"),
    )
    recipe = json.loads((run / "config.json").read_text())["recipe"]
    assert recipe["rand_augment"] == 9
    assert recipe["mixup"] == 0.5
    assert recipe["cutmix"] == 0
    assert not recipe["flip"]


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


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("epochs", -1, "a positive integer"),
        ("epochs", 1.5, "a positive integer"),
        ("batch_size", 0, "a positive integer"),
        ("image_size", 5000, "an integer from 1 to 4096"),
        ("dim", True, "a positive integer"),
        ("learning_rate", float("nan"), "a positive number"),
        ("learning_rate", "0.1", "a positive number"),
        ("weight_decay", 2, "a number from 0 to 1"),
        ("crop", 0.0, "more than 0 and at most 1"),
        ("rand_augment", 11.0, "a number from 0 to 10"),
        ("accumulation", 0, "a positive integer"),
    ],
)
def test_a_recipe_refuses_what_is_out_of_range(field, value, allowed):
    with pytest.raises(UserError) as error:
        DIGITS.replace(**{field: value})
    assert str(error.value) == (
        f"{field} must be {allowed}. Received: {value!r}"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("replicas", 0),
        ("limit_steps", -1),
        ("seed", -1),
        ("keep", "first"),
        ("class_weights", "even"),
    ],
)
def test_a_plan_refuses_what_is_out_of_range(field, value):
    with pytest.raises(UserError, match=f"{field} must be"):
        Plan(DIGITS, Source("digits"), **{field: value})


def test_a_config_out_of_range_is_refused(digits_run, tmp_path):
    config = json.loads((digits_run / "config.json").read_text())
    config["recipe"]["epochs"] = -1
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="epochs must be a positive integer"):
        RunFolder(tmp_path).read_config()


def test_the_command_says_which_option_changes_the_recipe(
    photographs, tmp_path
):
    done = run_command(
        *("train.py", "--image-folder", photographs, "--run", tmp_path / "run"),
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: batch_size must be at most 45, the number of training images. "
        "Received: 64, of the recipe; --batch-size changes it\n"
    )
    assert not (tmp_path / "run").exists()


def test_channels_first_is_refused(tmp_path):
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(UserError, match="must be 'channels_last' to train"):
            train(Plan(DIGITS, Source("digits")), tmp_path / "run")
    finally:
        keras.config.set_image_data_format("channels_last")
    assert not (tmp_path / "run").exists()


def test_an_error_begins_on_its_own_line(tmp_path):
    with start(
        *("train.py", "--run", tmp_path / "run", "--learning-rate", "1e30"),
        *("--model", "8/1/k3/p2@8"),
    ) as process:
        printed = process.communicate()[0]
    assert process.returncode == 2
    assert printed.splitlines()[-1].startswith("error: ")


def test_the_learning_rate_passes_through_the_points_of_the_paper():
    schedule = OneCycle(peak=0.01, total_steps=1000)
    steps = np.arange(1000)
    rates = [float(schedule(step)) for step in steps[::50]]
    expected = np.interp(
        (steps[::50] + 0.5) / 1000, [0, 0.4, 0.8, 1], [0, 0.01, 0.0005, 0]
    )
    np.testing.assert_allclose(rates, expected, atol=1e-8)
