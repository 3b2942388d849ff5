"""Numbers at their limits, and arguments of every kind."""

import contextlib
import io

import keras
import numpy as np
import pytest
from hypothesis import given, settings, strategies as some

from export import TFLITE_FORMATS
from export.__main__ import parse_arguments as export_arguments
from export.tflite import convert
from keras_convmixer import ConvMixer, reparameterize
from keras_convmixer.command_line import train
from tests.helpers import outputs, randomize_norms, slow_except


def network(**options):
    defaults = {"input_shape": (8, 8, 3), "classes": 4}
    return ConvMixer(8, 1, 3, 2, **{**defaults, **options})


def representative():
    return np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), "uint8")


@pytest.mark.parametrize("format", slow_except(TFLITE_FORMATS, "int8"))
def test_black_and_white_images_give_probabilities(format):
    model = network()
    randomize_norms(model)
    images = np.uint8([np.zeros((8, 8, 3)), np.full((8, 8, 3), 255)])
    all_images = np.concatenate([representative(), images])
    contents = convert(model, format, all_images)
    found = outputs(contents, images)
    np.testing.assert_allclose(found, model(images), atol=0.01)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-3)


@pytest.mark.parametrize("classes", [1, 20_000])
@pytest.mark.parametrize("format", slow_except(TFLITE_FORMATS, "int8"))
def test_any_number_of_classes_is_exported(format, classes):
    activation = "sigmoid" if classes == 1 else "softmax"
    model = network(classes=classes, classifier_activation=activation)
    images = representative()
    contents = convert(model, format, images)
    found = outputs(contents, images[:2])
    assert found.shape == (2, classes)
    np.testing.assert_allclose(found, model(images[:2]), atol=2e-3)


@pytest.mark.parametrize("format", TFLITE_FORMATS)
def test_weights_that_are_no_numbers_are_not_exported(format):
    model = network()
    head = model.get_layer("head")
    head.bias.assign([0, np.nan, 0, 0])
    with pytest.raises(ValueError, match=r"weights\. head/bias"):
        convert(model, format, representative())


def test_variances_of_zero():
    model = network()
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(np.zeros(8))
            layer.moving_mean.assign(np.full(8, 0.1))
    images = representative().astype("float32")
    expected = model(images).numpy()
    difference = np.abs(reparameterize(model)(images) - expected).max()
    assert np.isfinite(expected).all()
    assert difference <= 1e-5 * np.abs(expected).max()


small = some.integers(-1, 9)
anything = some.one_of(some.none(), some.floats(), some.text(max_size=3))


@settings(max_examples=60, deadline=None)
@given(
    dim=small | anything,
    depth=some.integers(-1, 2) | anything,
    kernel_size=small | anything,
    patch_size=small | anything,
    side=some.integers(-1, 20) | some.none(),
    channels=some.integers(-1, 5) | some.none(),
    classes=small,
    pooling=some.sampled_from([None, "avg", "max", "min"]),
    include_top=some.booleans(),
)
def test_a_network_is_built_or_refused(
    dim,
    depth,
    kernel_size,
    patch_size,
    side,
    channels,
    classes,
    pooling,
    include_top,
):
    model, refusal = None, ""
    try:
        model = ConvMixer(
            *(dim, depth, kernel_size, patch_size),
            input_shape=(side, side, channels),
            classes=classes,
            pooling=pooling,
            include_top=include_top,
        )
    except ValueError as error:
        refusal = str(error)
    if model is None:
        assert "Received: " in refusal
        return
    images = np.zeros((1, side or patch_size, side or patch_size, channels))
    found = model(images).numpy()
    assert np.isfinite(found).all()
    if include_top:
        assert found.shape == (1, classes)
    elif pooling:
        assert found.shape == (1, dim)
    keras.backend.clear_session()


FLAGS = (
    *("--epochs", "--batch-size", "--run", "--resume", "--formats", "--io"),
    *("--images", "--model", "--weights", "--freeze", "--crop", "--seed"),
)
VALUES = ("int8", "float32", "8/1/k3/p2", "1", "0", "-1", "nan")
WORDS = some.sampled_from((*FLAGS, *VALUES)) | some.text(max_size=8)


@settings(max_examples=60, deadline=None)
@given(arguments=some.lists(WORDS, max_size=6))
@pytest.mark.parametrize("parse", [train.parse_arguments, export_arguments])
def test_arguments_are_taken_or_refused_in_one_line(parse, arguments):
    printed, status = io.StringIO(), 0
    with contextlib.redirect_stderr(printed):
        try:
            parse(arguments)
        except SystemExit as stop:
            status = stop.code
    lines = printed.getvalue().splitlines()
    assert len(lines) == (1 if status else 0)
    assert status in (0, 2)
    assert all(line.startswith("error: ") for line in lines)
