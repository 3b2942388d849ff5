"""Every option of the network does what its documentation says."""

import json

import keras
import numpy as np
import pytest

import keras_convmixer
from keras_convmixer import ConvMixer, feature_model, freeze
from tests.helpers import randomize_norms
from tests.processes import run_python

SMALL = {"dim": 8, "depth": 2, "kernel_size": 3, "patch_size": 4}


def small(**options):
    """A small network whose norms are not the identity."""
    defaults = {"input_shape": (16, 16, 3), "classes": 5}
    keras.utils.set_random_seed(0)
    model = ConvMixer(**{**SMALL, **defaults, **options})
    randomize_norms(model)
    return model


def pixels(*shape, seed=0):
    shape = shape or (2, 16, 16, 3)
    return np.random.default_rng(seed).uniform(0, 255, shape).astype("float32")


def outputs(model, images):
    return keras.ops.convert_to_numpy(model(images))


def test_a_side_that_does_not_divide_by_the_patch_is_an_error():
    with pytest.raises(ValueError, match=r"patch_size=4.*\(16, 15, 3\)"):
        ConvMixer(**SMALL, input_shape=(16, 15, 3))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("dim", 0),
        ("depth", -1),
        ("kernel_size", 2.5),
        ("patch_size", True),
        ("classes", 0),
        ("dropout", 1),
        ("pooling", "sum"),
        ("input_shape", (16, 16)),
        ("input_shape", (16, 16, 0)),
    ],
)
def test_a_bad_argument_is_named(option, value):
    with pytest.raises(ValueError, match=option) as error:
        ConvMixer(**{**SMALL, "input_shape": (16, 16, 3), option: value})
    assert str(value) in str(error.value)


@pytest.mark.parametrize("pooling", [None, "avg", "max"])
def test_pooling_reduces_the_feature_map(pooling):
    features = outputs(small(include_top=False), pixels())
    pooled = outputs(small(include_top=False, pooling=pooling), pixels())
    expected = {
        None: features,
        "avg": features.mean((1, 2)),
        "max": features.max((1, 2)),
    }[pooling]
    assert features.shape == (2, 4, 4, 8)
    np.testing.assert_allclose(pooled, expected, atol=1e-6)


def test_the_classifier_activation_is_applied():
    logits = outputs(small(classifier_activation=None), pixels())
    probabilities = outputs(small(), pixels())
    exponentials = np.exp(logits)
    np.testing.assert_allclose(
        probabilities,
        exponentials / exponentials.sum(-1, keepdims=True),
        atol=1e-6,
    )


def test_the_activation_is_applied_everywhere():
    model = small(activation="relu")
    around = {
        layer.name: (layer.input, layer.output)
        for layer in model.layers
        if layer.name.endswith("_activation")
    }
    assert len(around) == 1 + 2 * SMALL["depth"]
    for name, (x, y) in keras.Model(model.input, around)(pixels()).items():
        x, y = map(keras.ops.convert_to_numpy, (x, y))
        assert (x < 0).any(), name
        np.testing.assert_array_equal(y, np.maximum(x, 0), name)


def test_gelu_is_the_exact_one():
    x = np.float32([1.0])
    gelu = small().get_layer("stem_activation")(x)
    assert float(gelu[0]) == pytest.approx(0.8413447, abs=1e-6)


def test_preprocessing_is_imagenets_normalisation():
    mean = 255 * np.array([0.485, 0.456, 0.406], "float32")
    std = 255 * np.array([0.229, 0.224, 0.225], "float32")
    with_it = outputs(small(), pixels())
    without = small(include_preprocessing=False)
    np.testing.assert_allclose(
        outputs(without, (pixels() - mean) / std), with_it, atol=1e-6
    )


def test_uint8_pixels_are_the_same_as_float_ones():
    images = np.rint(pixels()).astype("uint8")
    model = small()
    np.testing.assert_array_equal(
        outputs(model, images), outputs(model, images.astype("float32"))
    )


def test_dropout_drops_in_training_only():
    model = small(dropout=0.9, classifier_activation=None)
    images = pixels()
    without = small(classifier_activation=None)
    without.set_weights(model.get_weights())
    plain = outputs(without, images)
    np.testing.assert_allclose(outputs(model, images), plain, atol=1e-6)
    assert model.get_layer("dropout").rate == 0.9
    freeze(model, SMALL["depth"])
    trained = keras.ops.convert_to_numpy(model(images, training=True))
    assert np.abs(trained - plain).max() > 0.01


def test_any_size_that_divides_by_the_patch():
    model = small(include_top=False, input_shape=(None, None, 3))
    fixed = small(include_top=False, input_shape=(12, 20, 3))
    images = pixels(1, 12, 20, 3)
    np.testing.assert_allclose(
        outputs(model, images), outputs(fixed, images), atol=1e-6
    )
    assert outputs(model, pixels(1, 24, 8, 3)).shape == (1, 6, 2, 8)


def test_builds_on_an_input_tensor():
    image = keras.Input((16, 16, 3))
    flipped = small(input_tensor=keras.ops.flip(image, axis=2))
    np.testing.assert_allclose(
        outputs(flipped, pixels()),
        outputs(small(), pixels()[:, :, ::-1]),
        atol=1e-6,
    )


@pytest.mark.parametrize("channels", [1, 4, 6])
def test_other_numbers_of_channels_are_normalised(channels):
    model = small(input_shape=(16, 16, channels))
    layer = model.get_layer("normalization")
    image = np.full((1, 16, 16, channels), 128, "float32")
    values = keras.ops.convert_to_numpy(layer(image))[0, 0, 0]
    colours = (128 / 255 - np.array([0.485, 0.456, 0.406])) / np.array(
        [0.229, 0.224, 0.225]
    )
    if channels == 1:
        colours = [(128 / 255 - 0.449) / 0.226]
    expected = np.resize(colours, channels)
    np.testing.assert_allclose(values, expected, atol=1e-4)


def test_round_trips_leave_the_function_as_it_is(tmp_path):
    model = small(dropout=0.1)
    expected = outputs(model, pixels())
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")

    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    config = json.loads(json.dumps(model.get_config()))
    rebuilt = keras.Model.from_config(config)
    rebuilt.load_weights(tmp_path / "model.weights.h5")
    for other in (loaded, rebuilt):
        np.testing.assert_array_equal(outputs(other, pixels()), expected)


def test_feature_model_gives_every_block():
    model = small()
    features = feature_model(model)(pixels())
    assert list(features) == ["stem", "block_0", "block_1"]
    assert {tuple(f.shape) for f in features.values()} == {(2, 4, 4, 8)}
    last = outputs(small(include_top=False), pixels())
    np.testing.assert_allclose(features["block_1"], last, atol=1e-6)
    assert np.abs(features["block_0"] - features["stem"]).max() > 0.01


def test_frozen_blocks_stay_as_they_are():
    model = small()
    freeze(model, blocks=1)
    before = {layer.name: layer.get_weights() for layer in model.layers}
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(pixels(), np.array([0, 1]), verbose=0)
    changed = {
        layer.name
        for layer in model.layers
        for old, new in zip(
            before[layer.name], layer.get_weights(), strict=True
        )
        if (old != new).any()
    }
    assert changed == {
        "block_1_depthwise",
        "block_1_depthwise_norm",
        "block_1_pointwise",
        "block_1_pointwise_norm",
        "head",
    }


@pytest.mark.parametrize("blocks", [-1, 3, "all"])
def test_freezing_more_blocks_than_there_are_is_an_error(blocks):
    with pytest.raises(ValueError, match=r"from 0 to 2.*Received"):
        freeze(small(), blocks)


@pytest.mark.parametrize("function", [feature_model, lambda m: freeze(m, 1)])
def test_other_networks_have_no_blocks(function):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="must be one that keras_convmixer"):
        function(other)
    with pytest.raises(ValueError, match=r"model must be .*'model\.keras'"):
        function("model.keras")


STEP = """
import contextlib, sys
import keras, numpy as np
from export.benchmark import peak_megabytes
from keras_convmixer import ConvMixer

keras.utils.set_random_seed(0)
recompute = keras.RematScope(mode="activations")
with recompute if sys.argv[1] == "remat" else contextlib.nullcontext():
    model = ConvMixer(64, 4, 5, 2, input_shape=(64, 64, 3), classes=10)
model.compile("sgd", "sparse_categorical_crossentropy")
x = np.random.default_rng(0).uniform(0, 255, (64, 64, 64, 3))
y = np.arange(64) % 10
model.train_on_batch(x[:1], y[:1])
before = peak_megabytes()
loss = model.train_on_batch(x, y)
print(float(loss), peak_megabytes() - before)
"""


@pytest.mark.slow
def test_rematerialisation_lowers_the_peak_memory_of_a_step():
    loss, megabytes = {}, {}
    for mode in ("plain", "remat"):
        last = run_python("-c", STEP, mode).stdout.splitlines()[-1]
        loss[mode], megabytes[mode] = map(float, last.split())
    print(f"peak of a step in MB: {megabytes}")
    assert loss["remat"] == pytest.approx(loss["plain"], rel=1e-5)
    assert megabytes["remat"] < 0.85 * megabytes["plain"], megabytes


def test_predictions_of_another_shape_are_an_error():
    with pytest.raises(ValueError, match="1000"):
        keras_convmixer.decode_predictions(np.zeros((1, 10)))


def test_preprocess_input_leaves_pixels_to_the_model():
    images = pixels()
    assert keras_convmixer.preprocess_input(images) is images


def test_the_package_and_its_commands_import_without_keras():
    code = (
        "import sys, keras_convmixer; from keras_convmixer.command_line import "
        "convert_weights, convmixer, train; print('keras' in sys.modules)"
    )
    assert run_python("-c", code).stdout.strip() == "False"


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="ConvMixer_9_9"):
        _ = keras_convmixer.ConvMixer_9_9
