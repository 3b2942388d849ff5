"""int8 files: which operators, which ranges, and training for them."""

import json
import shutil

import keras
import numpy as np
import pytest

from export.converter import device_model, run_converter
from export.flatbuffer import Graph, unpack
from export.int8.calibrate import find_layer_tensors, rounded_layers
from export.int8.fit import fit_to_eight_bits
from export.int8.qat import convert_qat
from export.int8.quantize import quantize_int8
from export.int8.rounding import round_activation, round_kernel
from export.tflite import convert
from keras_convmixer import ConvMixer, reparameterize
from keras_convmixer.data.batches import (
    held_out_batches,
    steps_in_epoch,
    training_batches,
)
from keras_convmixer.data.image_data import as_arrays, sample
from keras_convmixer.data.source import Source
from tests.helpers import (
    interpreter,
    operators,
    outputs,
    randomize_norms,
    slow_except,
)
from tests.processes import run_command, run_python


@pytest.fixture(
    scope="module", params=slow_except(["gelu", "relu", "hard_swish"], "gelu")
)
def model(request):
    return random_network(request.param)


@pytest.fixture(scope="module")
def contents(model, images):
    """Of the model's int8 file."""
    return convert(model, "int8", images)


def random_network(activation, seed=0):
    keras.utils.set_random_seed(seed)
    model = ConvMixer(
        *(16, 1, 9, 2, activation), input_shape=(16, 16, 3), classes=5
    )
    randomize_norms(model)
    return model


@pytest.fixture(scope="module")
def trained():
    """A network for digits, trained, then trained for int8; and its file."""
    keras.utils.set_random_seed(0)
    data = Source("digits").load(8)
    steps = steps_in_epoch(data, 64)
    batches = training_batches(data, 64, steps, seed=0)
    model = ConvMixer(24, 2, 7, 1, input_shape=(8, 8, 3), classes=10)
    model.compile(keras.optimizers.AdamW(0.01), "categorical_crossentropy")
    options = {"steps_per_epoch": steps, "shuffle": False, "verbose": 0}
    model.fit(batches, epochs=6, **options)
    contents, aware = convert_qat(
        model,
        sample(data.train, 50),
        batches,
        steps,
        held_out_batches(data, 64),
        epochs=3,
    )
    return model, contents, aware, as_arrays(data.held_out)


def test_int8_is_all_integer_up_to_the_last_feature_map(contents):
    names = operators(contents)
    assert names[:2] == ["CAST", "QUANTIZE"]
    tail = ["DEQUANTIZE", "MEAN", "DEQUANTIZE", "FULLY_CONNECTED", "SOFTMAX"]
    assert names[-5:] == tail
    assert "DEQUANTIZE" not in names[:-5]
    assert "QUANTIZE" not in names[2:]


def test_pixels_go_into_int8_files_unchanged(model, images):
    dark = images // 4
    tensors = interpreter(convert(model, "int8", dark)).get_tensor_details()
    (pixels,) = {
        tensor["quantization"]
        for tensor in tensors
        if "patch_rows" in tensor["name"]
    }
    assert pixels == (1.0, -128)


def test_int8_in_and_out_is_all_integer(model, images):
    contents = convert(model, "int8", images, io="int8")
    assert not {"CAST", "QUANTIZE", "DEQUANTIZE"} & set(operators(contents))
    runner = interpreter(contents).get_signature_runner()
    image = runner.get_input_details()["image"]
    output = runner.get_output_details()["probabilities"]
    assert image["dtype"] == output["dtype"] == np.int8
    assert image["quantization"] == (1.0, -128)
    scale, zero_point = output["quantization"]
    integers = outputs(contents, np.int8(np.int16(images) - 128))
    measured = scale * (np.float32(integers) - zero_point)
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(measured, expected, atol=0.2)


def test_fast_files_have_no_large_depthwise_kernel(images):
    model = random_network("gelu")
    contents = convert(model, "int8_fast", images)
    names = operators(contents)
    assert names.count("TRANSPOSE") == 2
    assert names.count("DEPTHWISE_CONV_2D") == 2  # The norms.
    assert names.count("ADD") == 1
    assert len(contents) > 2 * len(convert(model, "int8", images))


def test_a_float_gelu_between_integers_is_the_same(images):
    """To the last bit: XNNPACK makes a table of it."""
    inference = reparameterize(random_network("gelu"), "integers")
    integer, table = (
        quantize_int8(inference, images, {}, float_gelu=value)
        for value in (False, True)
    )
    assert operators(table).count("QUANTIZE") == 3
    np.testing.assert_array_equal(
        outputs(integer, images), outputs(table, images)
    )


@pytest.mark.parametrize(
    "format", ["float32", "float16", "dynamic", "int8_fast"]
)
def test_only_int8_files_are_integer_in_and_out(model, format):
    with pytest.raises(ValueError, match="needs the format int8"):
        convert(model, format, io="int8")


def test_aware_model_rounds_as_the_file_does(model, contents, images):
    """But for activations of several operators, which files round inside."""
    from export.int8.quantization_aware import quantization_aware

    inference = reparameterize(model, "integers")
    layer_ranges = fit_to_eight_bits(inference, images)
    aware = quantization_aware(inference, layer_ranges)
    file = outputs(contents, images)
    rounded = aware.predict(np.float32(images), verbose=0)
    unrounded = inference.predict(np.float32(images), verbose=0)
    error = np.abs(rounded - file).mean()
    assert error < 0.5 * np.abs(unrounded - file).mean()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "networks"), [("gelu", 3), ("relu", 1), ("hard_swish", 3)]
)
def test_fitted_ranges_and_biases_are_closer(images, activation, networks):
    """Than ranges of all values; over some networks, as chance is in it."""
    error = {"simple": 0, "fitted": 0}
    for seed in range(networks):
        model = random_network(activation, seed)
        inference = reparameterize(model, "integers")
        file = quantize_int8(inference, images, {})
        fitted = convert(model, "int8", images)
        exact = model.predict(images, verbose=0)
        error["simple"] += np.abs(outputs(file, images) - exact).mean()
        error["fitted"] += np.abs(outputs(fitted, images) - exact).mean()
    assert error["fitted"] < 0.8 * error["simple"]


def test_an_activation_is_rounded_to_256_values_and_zero():
    values = np.linspace(-2, 3, 10_001, dtype="float32")
    rounded = np.unique(round_activation(values, -1.0, 1.55))
    np.testing.assert_allclose(np.diff(rounded), 0.01, atol=1e-6)
    assert len(rounded) == 256
    assert 0 in rounded


def test_a_kernel_is_rounded_to_255_values_for_each_channel():
    kernel = np.float32([[0, 0.004, 1.27], [0, 0.006, -0.004]])
    expected = [[0, 0.006 * 85 / 127, 1.27], [0, 0.006, 0]]
    np.testing.assert_allclose(round_kernel(kernel, 3), expected, atol=1e-7)


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("net_1/net_1/stem_conv_1/BiasAdd;net_1/net_1/add_1/x", "stem_conv"),
        ("net_1/net_1/block_0_add_1/Add", "block_0_add"),
        ("net_1/block_0_add/Relu;net_1/stem_conv/BiasAdd", "block_0_add"),
        ("net_1/net_1/dense_1/MatMul;net_1/stem_conv_1/BiasAdd", None),
        ("StatefulPartitionedCall_1:0", None),
    ],
)
def test_a_tensor_belongs_to_the_layer_that_it_is_named_after(tensor, layer):
    found = find_layer_tensors([tensor], ["stem_conv", "block_0_add"])
    assert found == ({layer: tensor} if layer else {})


@pytest.mark.parametrize(
    "activation",
    slow_except(
        ["gelu", "relu", "relu6", "hard_swish", "silu", "tanh", "linear"],
        *("gelu", "hard_swish"),
    ),
)
def test_what_is_rounded_is_known_before_the_conversion(activation, images):
    inference = reparameterize(random_network(activation), "integers")
    contents = run_converter(device_model(inference, "uint8", "probabilities"))
    tensors = Graph(unpack(contents)).computed
    rounded = rounded_layers(inference)
    found = find_layer_tensors(tensors, rounded)
    assert set(found) == set(rounded)
    names = [layer.name for layer in inference.layers]
    assert len(find_layer_tensors(tensors, names)) >= len(found)


def test_the_last_tensor_of_a_layer_is_its_output():
    tensors = ["net/act_1/Sigmoid", "net/act_1/mul", "net/dense/MatMul"]
    assert find_layer_tensors(tensors, ["act"]) == {"act": "net/act_1/mul"}


def test_the_graph_tells_what_is_behind_a_tensor_and_what_holds_pixels(model):
    graph = Graph(unpack(convert(model, "float32")))
    pool = next(name for name in graph.computed if "pool" in name)
    kinds = [graph.kind(operator) for operator in graph.after(pool)]
    assert kinds == ["FULLY_CONNECTED", "SOFTMAX"]
    moved = graph.after(graph.computed[0], until=("CONV_2D",))
    assert [graph.kind(operator) for operator in moved] == ["CAST", "RESHAPE"]
    assert len(graph.input_tensors()) == 3


def test_aware_model_without_ranges_rounds_kernels_only(model, images):
    from export.int8.quantization_aware import (
        quantization_aware,
        trained_inference_model,
    )

    inference = reparameterize(model, "integers")
    aware = quantization_aware(inference, {})
    expected = model.predict(images, verbose=0)
    rounded = aware.predict(np.float32(images), verbose=0)
    assert 1e-6 < np.abs(rounded - expected).max() < 0.05
    back = trained_inference_model(aware, inference)
    unrounded = back.predict(np.float32(images), verbose=0)
    np.testing.assert_allclose(unrounded, expected, atol=1e-5)


@pytest.mark.slow
def test_file_agrees_with_the_model_that_was_trained(trained):
    _, contents, aware, (images, _) = trained
    file = outputs(contents, images)
    rounded = aware.predict(np.float32(images), verbose=0)
    differ = file.argmax(-1) != rounded.argmax(-1)
    assert differ.mean() <= 0.015
    assert np.abs(file - rounded).mean() < 2e-3
    # Where they differ, the two leading scores are within two of 255 steps.
    scores = np.log(rounded)
    scores -= scores.mean(-1, keepdims=True)
    leading = np.sort(scores[differ])[:, -2:]
    assert (np.ptp(leading, axis=-1) <= 2 * np.ptp(scores) / 255).all()


@pytest.mark.slow
def test_training_for_int8_loses_nothing(trained):
    model, contents, _, (images, labels) = trained
    expected = model.predict(images, verbose=0).argmax(-1)
    predicted = outputs(contents, images).argmax(-1)
    assert (predicted == expected).mean() > 0.98
    loss = (expected == labels).mean() - (predicted == labels).mean()
    assert loss < 0.006


@pytest.mark.slow
def test_training_for_int8_changes_weights_not_operators(trained):
    model, contents, _, (images, _) = trained
    before = convert(model, "int8", images[:50])
    assert operators(contents) == operators(before)
    assert len(contents) == pytest.approx(len(before), rel=0.01)
    assert contents != before


def test_a_model_that_gives_logits_is_not_trained_for_int8(images):
    model = ConvMixer(
        *(8, 1, 3, 4), input_shape=(16, 16, 3), classifier_activation=None
    )
    with pytest.raises(ValueError, match="Received: one that gives logits"):
        convert_qat(model, images, None, 1, None, 1)


@pytest.mark.slow
def test_command_writes_integers_in_and_out(digits_run, tmp_path):
    run = shutil.copytree(digits_run, tmp_path / "digits")
    run_command("-m", "export", run, "--formats", "int8", "--io", "int8")
    folder = run / "export"
    report = json.loads((folder / "report.json").read_text())
    result = report["files"][-1]
    assert result["file"] == "digits_int8_io_int8.tflite"
    assert (folder / result["file"]).is_file()
    assert result["agreement"] >= 0.9


@pytest.mark.slow
def test_keras_2_stays_out_of_the_way(tmp_path):
    done = run_python(
        "-c",
        "import os, subprocess, sys\n"
        "import export.int8.quantization_aware\n"
        "import tensorflow as tf\n"
        "ask = 'import tensorflow as tf; print(tf.keras.version())'\n"
        "child = subprocess.run([sys.executable, '-c', ask], text=True,\n"
        "                       capture_output=True).stdout.strip()\n"
        "print(tf.keras.version(), child, os.environ.get("
        "'TF_USE_LEGACY_KERAS'))\n",
        cwd=tmp_path,
    )
    ours, child, switch = done.stdout.split()
    assert ours == child == keras.__version__
    assert switch == "None"


@pytest.mark.slow
def test_exporting_other_formats_does_not_load_keras_2(tmp_path):
    done = run_python(
        "-c",
        "import sys, export.__main__, export.tflite, export.int8.qat\n"
        "print('tf_keras' in sys.modules)",
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "False"
