"""Temperatures: that they fit, and change what they should and no more."""

import json

import keras
import numpy as np
import pytest

from keras_convmixer import ConvMixer, calibrate, reparameterize
from keras_convmixer.command_line.train import main as train
from keras_convmixer.evaluation.calibration import (
    fit_temperature,
    fold_temperature,
    with_temperature,
)
from keras_convmixer.evaluation.calibration_report import (
    cross_fitted,
    error_by_chance,
)
from keras_convmixer.evaluation.scores import expected_calibration_error
from keras_convmixer.runs import RunFolder
from keras_convmixer.training import evaluation
from keras_convmixer.utils.checks import UserError
from tests.helpers import run_program, small


def drawn(count, classes=10, temperature=1.0, seed=0):
    """Probabilities, and labels that they are right about at a temperature."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (count, classes))
    truth = np.exp(logits / temperature)
    truth /= truth.sum(-1, keepdims=True)
    draws = random.random((count, 1)) < truth.cumsum(-1)
    said = np.exp(logits)
    said /= said.sum(-1, keepdims=True)
    return said.astype("float32"), draws.argmax(-1)


@pytest.mark.parametrize("temperature", [0.3, 1, 2.5, 8])
def test_the_temperature_that_labels_were_drawn_at_is_found(temperature):
    probabilities, labels = drawn(20_000, temperature=temperature)
    found = fit_temperature(probabilities, labels)
    assert found == pytest.approx(temperature, rel=0.05)
    calibrated = with_temperature(probabilities, found)
    assert expected_calibration_error(calibrated, labels) < 0.015
    np.testing.assert_allclose(
        with_temperature(calibrated, 1 / found), probabilities, atol=1e-6
    )


def test_no_loss_is_less_than_that_of_the_temperature_found():
    probabilities, labels = drawn(500, temperature=2)

    def loss(temperature):
        rows = with_temperature(probabilities, temperature)
        own = rows[np.arange(len(labels)), labels]
        return -np.log(own).sum() + 1 / temperature + np.log(temperature)

    found = fit_temperature(probabilities, labels)
    assert loss(found) < min(loss(0.98 * found), loss(1.02 * found))


def test_images_that_are_all_right_do_not_make_it_run_away():
    probabilities, _ = drawn(100)
    labels = probabilities.argmax(-1)
    found = fit_temperature(probabilities, labels)
    assert 0.1 < found < 1
    assert 0.9 < with_temperature(probabilities, found).max(-1).mean() < 0.99
    assert 10 < fit_temperature(probabilities, (labels + 1) % 10) < 1000
    certain = np.eye(3, dtype="float32")[[0, 1, 2, 0]]
    assert np.isfinite(fit_temperature(certain, np.array([0, 1, 2, 1])))


def test_cross_fitting_gives_no_image_a_temperature_of_its_own():
    probabilities, labels = drawn(400, temperature=3)
    fitted = cross_fitted(probabilities, labels)
    for part in (0, 1):
        others = slice(1 - part, None, 2)
        np.testing.assert_array_equal(
            fitted[part::2],
            with_temperature(
                probabilities[part::2],
                fit_temperature(probabilities[others], labels[others]),
            ),
        )


def test_the_error_by_chance_is_that_of_labels_drawn_as_the_model_says():
    errors = [
        expected_calibration_error(*drawn(300, seed=seed)) for seed in range(20)
    ]
    by_chance = error_by_chance(drawn(300)[0])
    assert by_chance == pytest.approx(np.mean(errors), rel=0.2)
    assert error_by_chance(drawn(30_000)[0], draws=5) < by_chance / 5


def test_folding_divides_the_logits_and_keeps_the_classes(images):
    model = small()
    before = model.predict(images, verbose=0)
    fold_temperature(model, 2.5)
    after = model.predict(images, verbose=0)
    expected = with_temperature(before, 2.5)
    np.testing.assert_allclose(after, expected, atol=1e-6)
    np.testing.assert_array_equal(after.argmax(-1), before.argmax(-1))
    of_inference = reparameterize(model).predict(images, verbose=0)
    np.testing.assert_allclose(of_inference, after, atol=1e-5)


def heads(x):
    """Ends of a classifier of five classes."""
    layers = keras.layers
    logits = layers.Dense(5)
    return {
        "activation": layers.Activation("softmax")(logits(x)),
        "layer": layers.Softmax()(layers.Dropout(0.5)(logits(x))),
        "operation": keras.ops.softmax(logits(x)),
        "no bias": layers.Dense(5, activation="softmax", use_bias=False)(x),
        "sigmoids": layers.Dense(5, activation="sigmoid")(x),
    }


@pytest.mark.parametrize(
    "head", ["activation", "layer", "operation", "no bias", "sigmoids"]
)
def test_own_heads_are_calibrated(images, head):
    trunk = small(include_top=False, pooling="avg")
    model = keras.Model(trunk.inputs, heads(trunk.outputs[0])[head])
    before = model.predict(images, verbose=0)
    labels = np.arange(len(images)) % 5
    if head == "sigmoids":
        labels = np.eye(5, dtype=int)[labels]
    temperature = calibrate(model, images, labels)
    assert temperature != 1
    after = model.predict(images, verbose=0)
    expected = with_temperature(before, temperature)
    if head == "sigmoids":
        odds = (before / (1 - before)) ** (1 / temperature)
        expected = odds / (1 + odds)
    np.testing.assert_allclose(after, expected, atol=1e-5)


def test_one_sigmoid_is_calibrated(images):
    model = small(classes=1, classifier_activation="sigmoid")
    before = model.predict(images, verbose=0)
    calibrate(model, images, np.arange(len(images)) % 2)
    after = model.predict(images, verbose=0)
    np.testing.assert_array_equal(after > 0.5, before > 0.5)


@pytest.mark.parametrize(
    ("options", "labels", "words"),
    [
        ({"classifier_activation": None}, [0] * 20, "ends in linear"),
        ({"include_top": False}, [0] * 20, "must end in a dense layer"),
        ({}, [0] * 19, "labels must be 20 integers from 0 to 4"),
        ({}, [5] * 20, "labels must be 20 integers from 0 to 4"),
        ({}, [0.5] * 20, "Received: float64"),
        ({"classifier_activation": "sigmoid"}, [0] * 20, "(20, 5)"),
    ],
)
def test_what_can_not_be_calibrated_is_refused(images, options, labels, words):
    model = small(**options)
    before = model.get_weights()
    with pytest.raises(UserError) as error:
        calibrate(model, images, labels)
    assert words in str(error.value)
    for weights, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, old)


def test_of_no_image_nothing_can_be_learned(images):
    with pytest.raises(UserError, match="images must be at least one"):
        calibrate(small(), images[:0], [])


def test_a_layer_that_is_used_twice_is_refused(images):
    inputs = keras.Input((16, 16, 3))
    dense = keras.layers.Dense(3, activation="softmax")
    outputs = dense(dense(keras.layers.GlobalAveragePooling2D()(inputs)))
    with pytest.raises(UserError, match="must end in a dense layer"):
        calibrate(keras.Model(inputs, outputs), images, [0] * 20)


def test_a_pretrained_network_is_read_too(images):
    network = ConvMixer(8, 1, 3, 4, input_shape=(16, 16, 3), classes=3)
    nested = keras.Sequential([keras.Input((16, 16, 3)), network])
    labels = np.arange(len(images)) % 3
    before = network.get_weights()[-1].copy()
    temperature = calibrate(nested, images, labels)
    np.testing.assert_allclose(
        network.get_weights()[-1], before / temperature, rtol=1e-6
    )


TINY = ("--model", "8/1/k3/p2@8", "--limit-steps", 4, "--epochs", 1)


def weights_of(run):
    return RunFolder(run).trained_model().get_weights()


@pytest.mark.slow
def test_a_training_that_was_stopped_is_calibrated_once(tmp_path, monkeypatch):
    plain, stopped = tmp_path / "plain", tmp_path / "stopped"
    run_program(train, *TINY, "--run", plain, "--no-calibration")

    # After the model is calibrated, before the training is finished.
    def stop(path, values):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(evaluation, "write_json", stop)
        with pytest.raises(SystemExit):
            run_program(train, *TINY, "--run", stopped)
    calibrated = weights_of(stopped)
    printed = run_program(train, "--resume", stopped)

    metrics = json.loads((stopped / "metrics.json").read_text())
    found = metrics.pop("calibration")
    assert metrics.pop("decided") == "the temperature"
    assert f"temperature {found['temperature']:.2f}" in printed
    assert (found["images"], found["of"][:8]) == (360, "held out")
    uncalibrated = json.loads((plain / "metrics.json").read_text())
    assert uncalibrated.pop("decided") == "nothing"
    assert metrics == uncalibrated
    *trunk, kernel, bias = weights_of(plain)
    once = [*trunk, *(w / found["temperature"] for w in (kernel, bias))]
    for expected, first, second in zip(
        once, calibrated, weights_of(stopped), strict=True
    ):
        np.testing.assert_allclose(first, expected, rtol=1e-6)
        np.testing.assert_array_equal(second, first)
    assert not list(stopped.glob("uncalibrated*"))
