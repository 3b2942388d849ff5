"""A ConvMixer inside a network of the user's own is understood."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from keras_convmixer import feature_model, freeze, reparameterize
from keras_convmixer.architecture import architecture
from keras_convmixer.inference import takes_pixels
from keras_convmixer.inference.front import TRAINING_ONLY
from keras_convmixer.utils.graph import leaf_layers
from tests.helpers import randomize_norms, slow_except
from tests.network.own_networks import (
    ACCEPTED,
    ARCHITECTURE,
    SHAPE,
    backbone,
    check_equal,
    in_front,
    inference_model,
    on_output,
    randomized,
    sequential,
    two_networks,
)


@pytest.mark.parametrize("network", ACCEPTED)
def test_inference_equals_the_network(network):
    model = randomized(ACCEPTED[network])
    inference = inference_model(model)
    check_equal(model, inference)
    assert inference.input.name == "image"
    names = [layer.name for layer in inference.layers]
    assert "block_1_group_0_depthwise_part_0" in names
    assert len(names) == len(set(names))
    kinds = {
        type(layer).__name__
        for layer in inference.layers
        if not layer.name.endswith("norm")  # They are Rescaling themselves.
    }
    assert not kinds & {"Dropout", "SpatialDropout2D", "Rescaling"}


FRONTS = [
    lambda random: layers.Rescaling(float(random.uniform(0.1, 1)), 2.0),
    lambda random: layers.Rescaling(random.normal(0, 1, 3).tolist()),
    lambda random: layers.Normalization(
        mean=random.normal(0, 9, 3),
        variance=random.uniform(0.5, 2, 3),
        invert=bool(random.integers(2)),
        name=f"normalize_{random.integers(10**9)}",
    ),
    lambda random: layers.RandomZoom(0.2),
    lambda random: layers.Dropout(0.5),
    lambda random: keras.Sequential(
        [layers.RandomFlip(), layers.Rescaling(0.7, offset=[1.0, 2.0, 3.0])]
    ),
]
TAILS = [
    lambda random: layers.Dropout(0.5),
    lambda random: layers.Dense(4, activation="gelu"),
    lambda random: layers.Dense(5, use_bias=False),
    lambda random: layers.BatchNormalization(),
    lambda random: layers.LayerNormalization(),
    lambda random: layers.Activation("silu"),
    lambda random: layers.Flatten(),
    lambda random: keras.Sequential([layers.Dense(6), layers.ReLU()]),
]
MAP_TAILS = [
    lambda random: layers.SpatialDropout2D(0.5),
    lambda random: layers.Conv2D(4, 3, padding="same"),
    lambda random: layers.GlobalAveragePooling2D(),
    lambda random: layers.GlobalMaxPooling2D(),
    lambda random: layers.MaxPooling2D(),
]


def random_network(seed):
    """Layers in front and behind, built on tensors or nested, at random."""
    random = np.random.default_rng(seed)

    def some(kinds):
        chosen = random.choice(len(kinds), random.integers(4))
        return [kinds[i](random) for i in chosen]

    front = some(FRONTS)
    tail = [*some(MAP_TAILS[:2]), *some(MAP_TAILS[2:])[:1], *some(TAILS)]
    if random.integers(2):
        return keras.Sequential([keras.Input(SHAPE), *front, backbone(), *tail])
    x = keras.Input(SHAPE)
    for layer in front:
        x = layer(x)
    model = backbone(input_tensor=x)
    y = model.output
    for layer in tail:
        y = layer(y)
    return keras.Model(model.input, y)


@pytest.mark.parametrize("seed", slow_except(range(20), *range(8)))
def test_inference_equals_random_networks(seed):
    model = randomized(lambda: random_network(seed), seed)
    check_equal(model, inference_model(model))


@pytest.mark.parametrize("name", TRAINING_ONLY)
def test_what_is_left_out_does_nothing_in_inference(name):
    options = {
        "AlphaDropout": {"rate": 0.5},
        "Dropout": {"rate": 0.5},
        "GaussianDropout": {"rate": 0.5},
        "GaussianNoise": {"stddev": 0.5},
        "SpatialDropout1D": {"rate": 0.5},
        "SpatialDropout2D": {"rate": 0.5},
        "SpatialDropout3D": {"rate": 0.5},
        "RandomBrightness": {"factor": 0.5},
        "RandomColorDegeneration": {"factor": 0.5},
        "RandomContrast": {"factor": 0.5},
        "RandomHue": {"factor": 0.5},
        "RandomPosterization": {"factor": 4},
        "RandomRotation": {"factor": 0.5},
        "RandomSaturation": {"factor": 0.5},
        "RandomSharpness": {"factor": 0.5},
        "RandomTranslation": {"height_factor": 0.5, "width_factor": 0.5},
        "RandomZoom": {"height_factor": 0.5},
    }
    layer = getattr(layers, name)(**options.get(name, {}))
    shape = {"SpatialDropout1D": (2, 8, 3), "SpatialDropout3D": (2, *SHAPE, 3)}
    images = np.random.default_rng(0).uniform(
        0, 255, shape.get(name, (2, *SHAPE))
    )
    images = images.astype("float32")
    has_switch = name != "ActivityRegularization"
    switch = {"training": False} if has_switch else {}
    np.testing.assert_array_equal(layer(images, **switch), images)


@pytest.mark.parametrize("network", ACCEPTED)
def test_architecture_features_and_freezing(network):
    model = randomized(ACCEPTED[network])
    found = architecture(model)
    assert found == ARCHITECTURE | {"depth": found["depth"]}
    images = np.random.default_rng(1).uniform(0, 255, (2, *SHAPE))
    features = feature_model(model)(images, training=False)
    assert list(features) == ["stem", "block_0", "block_1"]
    assert {tuple(f.shape) for f in features.values()} == {(2, 4, 4, 8)}

    freeze(model, 1)
    frozen = [layer.name for layer in leaf_layers(model) if not layer.trainable]
    assert {name for name in frozen if name.startswith("block")} == {
        f"block_0_{role}"
        for role in (
            *("depthwise", "depthwise_activation", "depthwise_norm", "add"),
            *("pointwise", "pointwise_activation", "pointwise_norm"),
        )
    }
    assert "stem_conv" in frozen


def test_features_of_a_nested_network_are_those_of_the_network_alone():
    model = sequential(layers.Rescaling(0.5))
    inner = next(la for la in model.layers if isinstance(la, keras.Model))
    randomize_norms(inner)
    images = np.random.default_rng(0).uniform(0, 255, (2, *SHAPE))
    nested_features = feature_model(model)(images)
    for name, value in feature_model(inner)(images / 2).items():
        np.testing.assert_allclose(nested_features[name], value, atol=1e-5)


def test_the_names_of_an_own_head_are_kept():
    model = ACCEPTED["an own head"]()
    names = [layer.name for layer in reparameterize(model).layers]
    assert names[-1] == "classes"
    assert "features_norm" not in names  # It is a part of the dense layer.


@pytest.fixture(scope="module")
def legacy_model():
    from export.int8.legacy_model import legacy_model

    return legacy_model


@pytest.mark.parametrize(
    "network", ["a head of several layers", "a head on a flat map"]
)
def test_tf_keras_has_the_same_layers(legacy_model, network):
    model = randomized(ACCEPTED[network])
    ours = reparameterize(model, "integers")
    legacy = legacy_model(ours)
    check_equal(model, legacy)
    names = [layer.name for layer in legacy.layers]
    assert names == [layer.name for layer in ours.layers]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda x: keras.ops.tanh(x), r"'tanh\w*'.*no counterpart in tf_keras"),
        (layers.RMSNormalization(name="rms"), "'rms'.*no counterpart"),
        (
            layers.LeakyReLU(negative_slope=0.1, name="leaky"),
            "'leaky' has negative_slope=0.1, which tf_keras does not have",
        ),
    ],
)
def test_what_tf_keras_lacks_is_refused(legacy_model, layer, message):
    model = on_output(layer)
    with pytest.raises(ValueError, match=message):
        legacy_model(reparameterize(model, "integers"))


@pytest.mark.parametrize(
    ("scale", "normalised_inside", "expected"),
    [
        (None, True, True),
        (None, False, False),
        (1 / 255, False, True),
        (1 / 127.5, False, True),
        (255, True, False),  # It takes images from 0 to 1.
    ],
)
def test_models_that_scale_pixels_down_take_pixels(
    scale, normalised_inside, expected
):
    front = [] if scale is None else [layers.Rescaling(scale)]
    model = in_front(*front, include_preprocessing=normalised_inside)
    assert takes_pixels(model) is expected


def test_a_warning_names_the_augmentation_that_is_left_out():
    model = in_front(layers.RandomFlip(name="flip"), layers.Dropout(0.1))
    with pytest.warns(UserWarning, match="training only: flip, dropout"):
        reparameterize(model)


def test_two_networks_are_called_in_one_model():
    model = two_networks()
    images = np.random.default_rng(0).uniform(0, 255, (2, *SHAPE))
    mean = (model.layers[1](images) + model.layers[2](images)) / 2
    np.testing.assert_allclose(model(images), mean, rtol=1e-6)


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("options", [{"include_top": True}, {"pooling": "max"}])
def test_images_are_nhwc_whatever_keras_setting_is(channels_first, options):
    build = functools.partial(backbone, **options, kernel_size=7)
    model = randomized(build)
    inference = reparameterize(model)
    features = feature_model(model)
    keras.config.set_image_data_format("channels_last")
    expected = randomized(build)
    check_equal(expected, model)
    check_equal(expected, inference)
    assert features.output["block_1"].shape == (None, 4, 4, 8)
