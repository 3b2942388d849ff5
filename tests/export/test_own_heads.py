"""Networks with layers of one's own around a ConvMixer, in every format."""

import keras
import numpy as np
import pytest
from keras import layers

from export import TFLITE_FORMATS, export_tflite
from export.int8.qat import convert_qat
from export.metadata import read_labels
from export.tflite import convert
from keras_convmixer import ConvMixer
from tests.helpers import interpreter, operators, outputs, randomize_norms


def backbone(**options):
    options = {"include_top": False, "input_shape": (8, 8, 3), **options}
    model = ConvMixer(8, 1, 3, 2, **options)
    randomize_norms(model)
    return model


def nested():
    image = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = backbone(include_preprocessing=False)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    x = layers.Dense(16, activation="gelu", name="image_embedding")(x)
    return keras.Model(image, layers.Dense(4, activation="softmax")(x))


def sequential():
    return keras.Sequential(
        [
            backbone(),
            layers.Flatten(),
            layers.Dense(6, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(4),
        ]
    )


def separate_softmax():
    model = backbone(pooling="max")
    x = layers.LayerNormalization()(model.output)
    x = layers.Dense(4, name="features_norm_1")(x)
    return keras.Model(model.input, layers.Softmax()(x))


def one_class():
    model = backbone(pooling="avg")
    x = layers.Dense(1, activation="sigmoid")(model.output)
    return keras.Model(model.input, x)


def mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = backbone(activation="relu", pooling="avg")
        x = layers.Dense(4)(model.output)
        x = layers.Activation("softmax", dtype="float32")(x)
        model = keras.Model(model.input, x)
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile("adam", "categorical_crossentropy")
    return model


def feature_map():
    model = backbone(activation="swish", include_preprocessing=False)
    x = layers.Conv2D(6, 3, activation="relu")(model.output)
    return keras.Model(model.input, layers.ReLU()(x))


NETWORKS = {
    nested: ("uint8", "probabilities"),
    sequential: ("uint8", "logits"),
    separate_softmax: ("uint8", "probabilities"),
    one_class: ("uint8", "probabilities"),
    mixed_precision: ("uint8", "probabilities"),
    feature_map: ("float32", "features"),
}
# Of the largest value. Mixed precision itself is good for three digits.
TOLERANCE = {"float32": 2e-3, "float16": 5e-3, "dynamic": 0.04, "int8": 0.2}


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda make: make.__name__)
def network(request):
    """A model, images in the type that it takes, its outputs, their name."""
    keras.utils.set_random_seed(0)
    model = request.param()
    dtype, name = NETWORKS[request.param]
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3))
    images = pixels.astype(dtype)
    if dtype == "float32":
        images = images / 64 - 2
    return model, images, model.predict(images, verbose=0), name


@pytest.mark.parametrize("format", TFLITE_FORMATS)
def test_every_format_agrees_with_keras(network, format):
    model, images, expected, name = network
    contents = convert(model, format, images)
    runner = interpreter(contents).get_signature_runner()
    assert list(runner.get_output_details()) == [name]
    assert runner.get_input_details()["image"]["dtype"] == images.dtype
    found = outputs(contents, images)
    difference = np.abs(found - expected)
    scale = np.abs(expected).max()
    print(format, difference.max()/scale, difference.mean()/scale)
    assert difference.max() < TOLERANCE[format] * scale
    assert difference.mean() < TOLERANCE[format] / 4 * scale
    print(operators(contents))
