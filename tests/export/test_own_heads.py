"""Networks with layers of one's own around a ConvMixer, in every format."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from export import TFLITE_FORMATS, export_tflite
from export.int8.qat import convert_qat
from export.tflite import convert
from export.writers import write_saved_model
from keras_convmixer import ConvMixer
from keras_convmixer.evaluation.keras_model import output_name
from keras_convmixer.evaluation.metadata_schema import read_labels
from keras_convmixer.evaluation.runtime import SavedModel
from tests.helpers import (
    interpreter,
    operators,
    outputs,
    randomize_norms,
    slow_except,
)


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
# Of the largest value: of one number, and of all on average.
TOLERANCE = {
    "float32": (1e-5, 1e-6),
    "float16": (5e-3, 1e-3),
    "dynamic": (0.04, 0.008),
    "int8": (0.04, 0.01),
    "int8_fast": (0.04, 0.01),
    "gpu": (5e-3, 1e-3),
}


def pixels():
    return np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), "uint8")


@pytest.fixture(
    scope="module",
    params=slow_except(NETWORKS, nested, feature_map),
    ids=lambda make: make.__name__,
)
def network(request):
    """A model, images in the type that it takes, its outputs, their name."""
    keras.utils.set_random_seed(0)
    model = request.param()
    dtype, name = NETWORKS[request.param]
    images = pixels()
    if dtype == "float32":
        images = np.float32(images) / 64 - 2
    return model, images, float32_outputs(model, images), name


def float32_outputs(model, images):
    """What the model gives, in float32 if it was trained in less."""
    in_float32 = keras.models.clone_model(
        model,
        clone_function=lambda layer: type(layer).from_config(
            {**layer.get_config(), "dtype": "float32"}
        ),
    )
    in_float32.set_weights(model.get_weights())
    return in_float32.predict(images, verbose=0)


@pytest.mark.parametrize("format", slow_except(TFLITE_FORMATS, "int8"))
def test_every_format_agrees_with_keras(network, format):
    """And int8 is integer up to the last feature map, and float behind."""
    model, images, expected, name = network
    contents = convert(model, format, images)
    runner = interpreter(contents).get_signature_runner()
    assert list(runner.get_output_details()) == [name]
    dtype = np.float32 if format == "gpu" else images.dtype
    assert runner.get_input_details()["image"]["dtype"] == dtype
    difference = np.abs(outputs(contents, images) - expected)
    largest, average = np.multiply(TOLERANCE[format], np.abs(expected).max())
    assert difference.max() < largest
    assert difference.mean() < average
    if format == "int8":
        names = operators(contents)
        halves = tensors_of(contents, np.float16)
        assert names.count("QUANTIZE") == 1
        assert names.count("DEQUANTIZE") == 1 + len(halves)
        integer = names[names.index("QUANTIZE") : names.index("DEQUANTIZE")]
        assert "ADD" in integer
        assert not {"MEAN", "FULLY_CONNECTED"} & set(integer)


def tensors_of(contents, dtype):
    tensors = interpreter(contents).get_tensor_details()
    return [tensor for tensor in tensors if tensor["dtype"] == dtype]


def test_dense_layers_of_the_tail_have_int8_weights():
    contents = convert(nested(), "int8", pixels())
    tensors = interpreter(contents).get_tensor_details()
    kinds = {(*tensor["shape"], tensor["dtype"]) for tensor in tensors}
    assert {(16, 8, np.int8), (4, 16, np.int8)} <= kinds
    assert (1, 16, np.float32) in kinds


def test_a_tail_of_integer_operators_is_all_integer_in_and_out():
    model, images = nested(), pixels()
    contents = convert(model, "int8", images, io="int8")
    assert not {"CAST", "QUANTIZE", "DEQUANTIZE"} & set(operators(contents))
    runner = interpreter(contents).get_signature_runner()
    output = runner.get_output_details()["probabilities"]
    scale, zero_point = output["quantization"]
    integers = outputs(contents, np.int8(np.int16(images) - 128))
    measured = scale * (np.float32(integers) - zero_point)
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(measured, expected, atol=0.05)


def test_a_tail_that_has_no_integer_form_is_told():
    model = backbone(pooling="avg")
    tail = layers.Dense(4, activation="softplus")(model.output)
    model = keras.Model(model.input, tail)
    with pytest.raises(ValueError, match=r"io must be 'uint8' .* operators"):
        convert(model, "int8", pixels(), io="int8")
    convert(model, "int8", pixels())


@pytest.mark.parametrize("format", TFLITE_FORMATS)
def test_arithmetic_in_front_that_is_not_understood_is_refused(format):
    image = 255 - keras.Input((8, 8, 3))
    model = ConvMixer(8, 1, 3, 2, input_tensor=image, classes=4)
    with pytest.raises(ValueError, match="before the ConvMixer"):
        convert(model, format, pixels())


@pytest.mark.parametrize(
    ("tail", "name"),
    [
        ([layers.Dense(3), layers.Activation("sigmoid")], "probabilities"),
        ([layers.Dense(3), layers.Activation("linear")], "logits"),
        ([layers.Dense(3), layers.Dropout(0.1)], "logits"),
        ([layers.Dense(3, activation="relu")], "features"),
        (
            [keras.Sequential([layers.Dense(3), layers.Softmax()])],
            "probabilities",
        ),
        ([layers.Dense(3), keras.ops.softmax], "probabilities"),
        ([], "features"),
    ],
)
def test_the_output_is_named_after_what_it_is(tail, name):
    model = backbone(pooling="avg")
    x = model.output
    for layer in tail:
        x = layer(x)
    assert output_name(keras.Model(model.input, x)) == name


def test_a_saved_model_gives_float32_after_mixed_precision(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = backbone(pooling="avg")
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.output.dtype == "float16"
    write_saved_model(model, tmp_path / "model")
    found = SavedModel(tmp_path / "model")(pixels())
    assert found.dtype == np.float32
    expected = model.predict(pixels(), verbose=0)
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_export_tflite_verifies_a_model_with_an_own_head(tmp_path):
    model, path = separate_softmax(), tmp_path / "own.tflite"
    labels = ["a", "b", "c", "d"]
    result = export_tflite(
        model, path, labels=labels, representative_images=pixels()
    )
    measured = outputs(path.read_bytes(), pixels()).argmax(-1)
    expected = model.predict(pixels(), verbose=0).argmax(-1)
    assert result.agreement == pytest.approx(np.mean(measured == expected))
    assert result.max_abs_diff < 0.05
    assert read_labels(path) == labels


@pytest.fixture(scope="module")
def batches():
    images = tf.data.Dataset.from_tensor_slices(np.float32(pixels()))
    return images.map(lambda image: (image, tf.one_hot(0, 4))).batch(10)


@pytest.mark.slow
@pytest.mark.parametrize("make", [nested, separate_softmax, one_class])
def test_training_for_int8_takes_an_own_head(make, batches):
    model, images = make(), pixels()
    contents, aware = convert_qat(
        model, images, batches.repeat(), 2, batches, epochs=1
    )
    file = outputs(contents, images)
    aware_outputs = aware.predict(np.float32(images), verbose=0)
    np.testing.assert_allclose(file, aware_outputs, atol=0.02)
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(file, expected, atol=0.05)


def test_training_for_int8_refuses_what_keras_2_has_not(batches):
    model = backbone(pooling="avg")
    x = keras.ops.sin(layers.Dense(4)(model.output))
    model = keras.Model(model.input, layers.Softmax()(x))
    with pytest.raises(ValueError, match="no counterpart in tf_keras"):
        convert_qat(model, pixels(), batches.repeat(), 1, batches, epochs=1)
