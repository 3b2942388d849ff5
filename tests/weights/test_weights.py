"""Weights come from files and the hub, whole or not at all."""

import struct

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_convmixer import ConvMixer
from keras_convmixer.weights import load_weights, save_weights
from keras_convmixer.weights.safetensors_files import read_safetensors
from tests.helpers import (
    OWN,
    WEIGHTS_FILES,
    randomize_norms,
    slow_except,
    small,
    source_file,
    timm_checkpoint,
)
from tests.processes import ROOT

GOLDEN = ROOT / "tests" / "fixtures" / "timm_golden"
GOLDEN_NETWORKS = {
    "gelu_k8_p2": (16, 2, 8, 2),
    "gelu_k9_p7": (24, 2, 9, 7),
    "relu_k7_p14": (20, 3, 7, 14),
}


def images(channels=3):
    random = np.random.default_rng(1)
    return random.uniform(0, 255, (2, 16, 16, channels)).astype("float32")


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x))


def golden(name, **options):
    dim, depth, kernel_size, patch_size = GOLDEN_NETWORKS[name]
    pair = np.load(GOLDEN / f"{name}.npz")
    model = ConvMixer(
        dim,
        depth,
        kernel_size,
        patch_size,
        activation=name[:4],
        include_preprocessing=False,
        weights=GOLDEN / f"{name}.safetensors",
        input_shape=pair["x"].shape[1:],
        classes=pair["logits"].shape[1],
        classifier_activation=None,
        **options,
    )
    return model, pair


@pytest.mark.parametrize("name", GOLDEN_NETWORKS)
def test_equals_timm(name):
    for options, output in (
        ({}, "logits"),
        ({"include_top": False}, "features"),
    ):
        model, pair = golden(name, **options)
        difference = np.abs(outputs(model, pair["x"]) - pair[output]).max()
        relative = difference / np.abs(pair[output]).max()
        print(f"{name} {output}: {relative:.1e} of the largest")
        assert relative <= 1e-5


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_checkpoints_load_as_float32(tmp_path, precision):
    path = tmp_path / "half.safetensors"
    values = timm_checkpoint()
    if precision == "float16":
        save_file({k: v.astype("float16") for k, v in values.items()}, path)
    else:
        write_bfloat16(values, path)
    kernel = small(weights=path).get_layer("stem_conv").kernel
    expected = values["stem.0.weight"].transpose(2, 3, 1, 0)
    assert kernel.dtype == "float32"
    np.testing.assert_allclose(kernel, expected, rtol=1e-2)


def write_bfloat16(tensors, path):
    """safetensors writes bfloat16 from PyTorch only, so by hand."""
    header, data = {}, b""
    for name, value in tensors.items():
        top_half = np.ascontiguousarray(
            np.atleast_1d(value).astype("float32").view("uint16")[..., 1::2]
        ).tobytes()
        header[name] = {
            "dtype": "BF16",
            "shape": list(value.shape),
            "data_offsets": [len(data), len(data) + len(top_half)],
        }
        data += top_half
    text = repr(header).replace("'", '"').encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.mark.parametrize("suffix", slow_except([".keras", OWN], ".keras"))
def test_files_of_a_trained_model_load(tmp_path, suffix):
    source = small()
    randomize_norms(source)
    source.compile("adam", "sparse_categorical_crossentropy")
    source.fit(images(), np.array([0, 1]), verbose=0)
    path = tmp_path / f"model{suffix}"
    if suffix == OWN:
        save_weights(source, path)
    else:
        source.save(path)
    np.testing.assert_array_equal(
        outputs(small(weights=path), images()), outputs(source, images())
    )


@WEIGHTS_FILES
def test_other_classes_load_the_trunk_and_say_so(tmp_path, suffix):
    path = source_file(tmp_path, suffix)
    with pytest.warns(UserWarning, match="head is new.*5 classes.*model 7"):
        model = small(weights=path, classes=7)
    assert model.output_shape == (None, 7)
    whole = small(weights=path)
    for layer in whole.layers[:-1]:
        for old, new in zip(
            layer.get_weights(),
            model.get_layer(layer.name).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(old, new)


@WEIGHTS_FILES
def test_without_the_top_the_trunk_loads(tmp_path, suffix):
    path = source_file(tmp_path, suffix)
    whole = small(weights=path)
    trunk = small(weights=path, include_top=False, pooling="avg")
    head = whole.get_layer("head")
    np.testing.assert_allclose(
        outputs(head, outputs(trunk, images())),
        outputs(whole, images()),
        atol=1e-6,
    )


def test_a_checkpoint_without_a_head_says_that_the_head_is_new(tmp_path):
    save_file(timm_checkpoint(classes=0), tmp_path / "trunk.safetensors")
    with pytest.warns(UserWarning, match="head is new.*has none"):
        small(weights=tmp_path / "trunk.safetensors")


@WEIGHTS_FILES
@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_the_stem_adapts_to_the_channels(tmp_path, suffix, channels):
    path = source_file(tmp_path, suffix)
    model = small(weights=path, input_shape=(16, 16, channels))
    kernel = keras.ops.convert_to_numpy(model.get_layer("stem_conv").kernel)
    given = timm_checkpoint()["stem.0.weight"].transpose(2, 3, 1, 0)
    if channels == 1:
        expected = given.sum(2, keepdims=True)
    else:
        chosen = [i % 3 for i in range(channels)]
        expected = given[:, :, chosen] * 3 / channels
    np.testing.assert_allclose(kernel, expected, atol=1e-6)


def test_a_checkpoint_of_other_channels_adapts_to_three(tmp_path):
    tensors = timm_checkpoint(channels=1)
    save_file(tensors, tmp_path / "grey.safetensors")
    kernel = small(weights=tmp_path / "grey.safetensors").get_weights()[0]
    given = tensors["stem.0.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_allclose(kernel, np.repeat(given, 3, 2) / 3, atol=1e-6)


def test_saved_weights_are_those_of_the_network_alone(tmp_path):
    path = tmp_path / "network.safetensors"
    image = keras.Input((16, 16, 3))
    front = keras.layers.Conv2D(3, 1)(image)
    source = small(input_tensor=front, include_top=False)
    randomize_norms(source)
    save_weights(source, str(path))
    with pytest.warns(UserWarning, match="head is new.*has none"):
        model = small(weights=path)
    names = set(read_safetensors(path)[0])
    assert {"stem_conv/kernel", "block_1_pointwise_norm/moving_mean"} < names
    assert not any(name.startswith("conv2d") for name in names)
    for name in names:
        layer, variable = name.split("/")
        np.testing.assert_array_equal(
            getattr(model.get_layer(layer), variable),
            getattr(source.get_layer(layer), variable),
        )
    (tmp_path / "ordinary").touch()
    assert path.stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    with pytest.raises(ValueError, match=r"end in \.safetensors\. Received"):
        save_weights(source, tmp_path / "network.h5")


@WEIGHTS_FILES
def test_a_network_inside_another_model_gets_its_weights(tmp_path, suffix):
    path = source_file(tmp_path, suffix)
    trunk = small(include_top=False, pooling="avg")
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), trunk, keras.layers.Dense(3)]
    )
    own = model.layers[-1].get_weights()
    load_weights(model, path)
    expected = small(weights=path, include_top=False).get_weights()
    for ours, theirs in zip(trunk.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(model.layers[-1].get_weights()[0], own[0])

    save_weights(model, tmp_path / "saved.safetensors")
    loaded = small(weights=tmp_path / "saved.safetensors", include_top=False)
    for ours, theirs in zip(loaded.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
