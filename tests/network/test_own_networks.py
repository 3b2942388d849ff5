"""A ConvMixer inside a network of the user's own is understood, or refused."""

import functools
import warnings

import keras
import numpy as np
import pytest
from keras import layers

from keras_convmixer import ConvMixer, feature_model, freeze, reparameterize
from keras_convmixer.architecture import architecture
from keras_convmixer.inference import takes_pixels
from keras_convmixer.inference.front import TRAINING_ONLY
from keras_convmixer.utils.graph import leaf_layers
from tests.helpers import randomize_norms

SHAPE = (8, 8, 3)
ARCHITECTURE = {
    "dim": 8,
    "depth": 2,
    "kernel_size": 3,
    "patch_size": 2,
    "activation": "gelu",
}


def backbone(**options):
    defaults = {"include_top": False, "input_shape": SHAPE, **ARCHITECTURE}
    return ConvMixer(**{**defaults, **options})


def on_output(*tail, **options):
    """Layers built on the output of a ConvMixer."""
    model = backbone(**options)
    x = model.output
    for layer in tail:
        x = layer(x)
    return keras.Model(model.input, x)


def in_front(*front, **options):
    """A ConvMixer built on the output of layers."""
    x = keras.Input(SHAPE)
    for layer in front:
        x = layer(x)
    return backbone(**{"input_tensor": x, "pooling": "avg", **options})


def sequential(*front, **options):
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            *front,
            backbone(**options),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax"),
        ]
    )


def nested(training=None):
    image = keras.Input(SHAPE)
    x = backbone()(image, training=training)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(4)(layers.Dropout(0.5)(x)))


def nested_twice():
    inner = keras.Sequential([backbone(), layers.GlobalMaxPooling2D()])
    image = keras.Input(SHAPE)
    x = layers.Rescaling(0.5, offset=3.0)(image)
    return keras.Model(image, layers.Dense(3, use_bias=False)(inner(x)))


def branches():
    model = backbone(pooling="avg")
    shared = layers.Dense(6, activation="relu")
    x = layers.Concatenate()([layers.Dense(6)(model.output), model.output])
    a, b = shared(x), shared(2.0 * x)
    return keras.Model(model.input, keras.ops.tanh(layers.Add()([a, b]) - 1))


def adapted_normalization():
    layer = layers.Normalization(name="adapted")
    layer.adapt(np.random.default_rng(0).uniform(0, 9, (50, *SHAPE)))
    return layer


def augmentation():
    return [
        layers.RandomFlip(),
        layers.RandomRotation(0.2),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandAugment(),
        layers.AugMix(),
        layers.SpatialDropout2D(0.2),
        layers.GaussianNoise(0.2),
    ]


ACCEPTED = {
    "an own head": lambda: on_output(
        layers.GlobalAveragePooling2D(),
        layers.Dropout(0.5),
        layers.Dense(4, activation="softmax", name="classes"),
    ),
    "a head of several layers": lambda: on_output(
        layers.Dropout(0.2),
        layers.Dense(8, activation="gelu"),
        layers.BatchNormalization(),
        layers.Dropout(0.2),
        layers.LayerNormalization(),
        layers.Dense(5),
        layers.Activation("softmax"),
        pooling="max",
    ),
    "a head on a flat map": lambda: on_output(
        layers.SpatialDropout2D(0.2), layers.Flatten(), layers.Dense(3)
    ),
    "layers named like the inference model's": lambda: on_output(
        layers.Conv2D(4, 3, name="patch_rows"),
        layers.Flatten(name="features_norm"),
    ),
    "augmentation of features": lambda: on_output(
        layers.Pipeline([layers.RandomFlip(), layers.Dropout(0.5)]),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3),
    ),
    "a head that branches": branches,
    "a prefix of a network": lambda: (
        lambda model: keras.Model(
            model.input, model.get_layer("block_1_pointwise_norm").output
        )
    )(backbone(depth=3)),
    "a head behind the head": lambda: on_output(
        layers.Dense(3, activation="sigmoid"), include_top=True, classes=6
    ),
    "nested": nested,
    "nested with training=False": lambda: nested(training=False),
    "called with training=True, which inference overrides": lambda: nested(
        training=True
    ),
    "nested twice": nested_twice,
    "in a Sequential": lambda: sequential(),
    "everything before it in a Sequential": lambda: sequential(
        keras.Sequential([layers.RandomFlip(), layers.GaussianNoise(0.1)]),
        layers.Rescaling(1 / 127.5, offset=-1),
        include_preprocessing=False,
    ),
    "Rescaling": lambda: in_front(layers.Rescaling(1 / 255, offset=-0.5)),
    "Rescaling of each channel": lambda: in_front(
        layers.Rescaling([0.1, 0.2, 0.3], offset=[1.0, -2.0, 3.0])
    ),
    "an adapted Normalization": lambda: in_front(
        adapted_normalization(), include_preprocessing=False
    ),
    "a Normalization by one mean, inverted": lambda: in_front(
        layers.Normalization(
            axis=None, mean=3.0, variance=4.0, invert=True, name="denormalize"
        )
    ),
    "a Normalization without variance": lambda: in_front(
        layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[0.0, 1.0, 4.0]),
        layers.Rescaling(1e-7),
        include_preprocessing=False,
    ),
    "a cast to float32": lambda: in_front(
        lambda x: keras.ops.cast(x, "float32")
    ),
    "augmentation": lambda: in_front(*augmentation()),
    "a Pipeline": lambda: in_front(
        layers.Pipeline(
            [layers.RandomFlip(), layers.Rescaling(0.2), layers.Dropout(0.1)]
        )
    ),
}


def randomized(build, seed=0):
    """A network whose every weight is far from its initial value."""
    keras.utils.set_random_seed(seed)
    model = build()
    randomize_norms(model, seed)
    random = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        if "bias" in variable.path:
            variable.assign(random.normal(0, 0.3, variable.shape))
    return model


def inference_model(model):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Left out of the inference")
        return reparameterize(model)


def check_equal(model, inference):
    images = np.random.default_rng(1).uniform(0, 255, (2, *SHAPE))
    expected = model(images, training=False).numpy()
    result = inference(images).numpy()
    assert result.shape == expected.shape
    assert np.abs(expected).max() > 1e-3
    difference = np.abs(result - expected).max()
    assert difference <= 1e-5 * np.abs(expected).max()


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


@pytest.mark.parametrize("seed", range(20))
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
def tf_keras():
    from export.int8.legacy_keras import tf_keras

    return tf_keras


@pytest.mark.parametrize(
    "network", ["a head of several layers", "a head on a flat map"]
)
def test_tf_keras_has_the_same_layers(tf_keras, network):
    model = randomized(ACCEPTED[network])
    legacy = reparameterize(model, integers=True, backend=tf_keras)
    check_equal(model, legacy)
    names = [layer.name for layer in legacy.layers]
    ours = reparameterize(model, integers=True)
    assert names == [layer.name for layer in ours.layers]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda x: keras.ops.tanh(x), r"'tanh\w*'.*no layer that tf_keras has"),
        (layers.RMSNormalization(name="rms"), "'rms'.*no layer"),
        (
            layers.LeakyReLU(negative_slope=0.1, name="leaky"),
            "'leaky' has negative_slope=0.1, which tf_keras does not have",
        ),
    ],
)
def test_what_tf_keras_lacks_is_refused(tf_keras, layer, message):
    model = on_output(layer)
    with pytest.raises(ValueError, match=message):
        reparameterize(model, integers=True, backend=tf_keras)


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


@keras.saving.register_keras_serializable()
class Doubled(layers.Dropout):
    """A dropout that isn't one."""

    def call(self, inputs, training=None):
        return 2 * inputs


@keras.saving.register_keras_serializable()
class Subtracted(layers.Add):
    """A sum that isn't one."""

    def _merge_function(self, inputs):
        return inputs[0] - inputs[1]


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.network = backbone()

    def call(self, x):
        return 255 - self.network(x)


def with_inserted_layer():
    """A ConvMixer with a dropout between its blocks."""
    source = backbone()

    def insert(layer, *args, **kwargs):
        x = layer(*args, **kwargs)
        if layer.name == "block_0_pointwise_norm":
            x = layers.ReLU(name="inserted")(x)
        return x

    return keras.models.clone_model(source, call_function=insert)


def skip_connection():
    model = backbone()
    middle = model.get_layer("block_0_add").output
    x = layers.Add(name="skip")([model.output, middle])
    return keras.Model(model.input, x)


def changed(**changes):
    """A ConvMixer, one layer of which has another option."""

    def change(layer):
        config = layer.get_config()
        return type(layer).from_config(config | changes.get(layer.name, {}))

    return keras.models.clone_model(backbone(), clone_function=change)


def used_twice():
    model = backbone(pooling="avg")
    image = keras.Input(SHAPE)
    return keras.Model(image, model(image) + model(image / 2))


def two_networks():
    image = keras.Input(SHAPE)
    a, b = backbone(name="a", pooling="avg"), backbone(name="b", pooling="avg")
    return keras.Model(image, layers.Average()([a(image), b(image)]))


def two_outputs():
    model = backbone(pooling="avg")
    x = model.output
    return keras.Model(model.input, [layers.Dense(1)(x), layers.Dense(2)(x)])


def two_inputs():
    model = backbone(pooling="avg")
    other = keras.Input((2,), name="other")
    x = layers.Concatenate()([model.output, other])
    return keras.Model([model.input, other], x)


def from_the_input():
    model = backbone(include_preprocessing=False, patch_size=1)
    x = layers.Concatenate(name="beside")([model.output, model.input])
    return keras.Model(model.input, x)


def unbuilt():
    return keras.Sequential([backbone()], name="unbuilt")


REFUSED = {
    "arithmetic in front": (
        lambda: in_front(lambda image: 255 - image),
        "'subtract.*Subtract",
    ),
    "resizing in front": (
        lambda: keras.Sequential(
            [
                keras.Input((16, 16, 3)),
                layers.Resizing(8, 8, name="half"),
                backbone(),
            ]
        ),
        "'half'.*Resizing",
    ),
    "a Lambda in front": (
        lambda: in_front(layers.Lambda(lambda x: x, name="mystery")),
        "'mystery'.*Lambda",
    ),
    "a convolution in front": (
        lambda: in_front(layers.Conv2D(3, 1, name="conv")),
        "'conv'.*Conv2D",
    ),
    "a class of the user's in front": (
        lambda: in_front(Doubled(0.1, name="doubled")),
        "'doubled'.*Doubled",
    ),
    "a Normalization of each pixel": (
        lambda: in_front(
            layers.Normalization(
                axis=(1, 2, 3),
                mean=np.ones(SHAPE),
                variance=np.ones(SHAPE),
                name="each_pixel",
            )
        ),
        "'each_pixel'.*one a channel",
    ),
    "Rescaling that makes channels": (
        lambda: backbone(
            input_tensor=layers.Rescaling([1.0, 2.0, 3.0], name="colour")(
                keras.Input((8, 8, 1))
            )
        ),
        "'colour'",
    ),
    "an inserted layer": (with_inserted_layer, "'block_1_depthwise'.*inserted"),
    "a skip connection": (skip_connection, "'skip'"),
    "a skip connection from the input": (from_the_input, "'beside'"),
    "a class of the user's in the trunk": (
        lambda: keras.models.clone_model(
            backbone(),
            clone_function=lambda layer: {layers.Add: Subtracted}.get(
                type(layer), type(layer)
            ).from_config(layer.get_config()),
        ),
        "'block_0_add' must be a keras.layers.Add",
    ),
    "another dilation": (
        lambda: changed(block_1_depthwise={"dilation_rate": 2}),
        "'block_1_depthwise' must have dilation_rate",
    ),
    "another activation": (
        lambda: changed(block_1_depthwise_activation={"activation": "relu"}),
        "'block_1_depthwise_activation' must have activation",
    ),
    "used twice": (used_twice, "'stem_conv' runs 2 times"),
    "two networks": (two_networks, "one ConvMixer"),
    "two outputs": (two_outputs, "one input and one output"),
    "two inputs": (two_inputs, "one input and one output"),
    "a subclass": (Subclassed, "functional or sequential"),
    "an unbuilt model": (unbuilt, "'unbuilt'"),
    "no ConvMixer": (
        lambda: keras.Sequential([keras.Input((3,)), layers.Dense(1)]),
        "must be one that keras_convmixer",
    ),
}


@pytest.mark.parametrize("network", REFUSED)
def test_what_is_not_understood_is_refused(network):
    build, message = REFUSED[network]
    with pytest.raises(ValueError, match=message):
        inference_model(build())


def test_two_networks_on_one_tensor_are_an_error_that_says_how():
    image = keras.Input(SHAPE)
    backbone(input_tensor=image)
    with pytest.raises(ValueError, match=r"Average\(\)\(\[first\(image\)"):
        backbone(input_tensor=image / 2)
    first = backbone(input_shape=(2, 2, 8))
    with pytest.raises(ValueError, match="ConvMixer on it already"):
        backbone(input_tensor=first.output, patch_size=1)


def test_two_networks_are_called_in_one_model():
    model = two_networks()
    images = np.random.default_rng(0).uniform(0, 255, (2, *SHAPE))
    mean = (model.layers[1](images) + model.layers[2](images)) / 2
    np.testing.assert_allclose(model(images), mean, rtol=1e-6)


def test_a_layer_with_the_name_of_the_normalisation_is_an_error():
    with pytest.raises(ValueError, match="another name"):
        in_front(layers.Normalization(mean=0, variance=1, name="normalization"))


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
