"""Networks of a user's own with a ConvMixer in them."""

import warnings

import keras
import numpy as np
from keras import layers

from keras_convmixer import ConvMixer, reparameterize
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


def two_networks():
    image = keras.Input(SHAPE)
    a, b = backbone(name="a", pooling="avg"), backbone(name="b", pooling="avg")
    return keras.Model(image, layers.Average()([a(image), b(image)]))


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
