"""Weights that do not fit are an error, and nothing of them is loaded."""

import re

import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_convmixer import ConvMixer
from keras_convmixer.weights import load_weights, save_weights
from tests.helpers import (
    OWN,
    WEIGHTS_FILES,
    small,
    source_file,
    timm_checkpoint,
)


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint that fits `small()`, and where it is."""
    tensors = timm_checkpoint()
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors", tensors


def wrong_shape(tensors):
    tensors["blocks.1.1.weight"] = np.zeros((8, 7, 1, 1), "float32")


def wrong_rank(tensors):
    tensors["blocks.1.1.weight"] = np.zeros((8, 8), "float32")


def integers(tensors):
    tensors["blocks.1.1.weight"] = np.zeros((8, 8, 1, 1), "int8")


def missing(tensors):
    del tensors["blocks.1.1.weight"]


def extra(tensors):
    tensors["blocks.1.1.weight.extra"] = np.zeros(3, "float32")


def half_a_head(tensors):
    del tensors["head.bias"]


def broken_head(tensors):
    tensors["head.bias"] = np.zeros(4, "float32")


def no_channels(tensors):
    tensors["stem.0.weight"] = np.zeros((8, 0, 4, 4), "float32")


def no_number(tensors):
    tensors["blocks.1.1.weight"][3, 2] = np.nan


def no_variance(tensors):
    tensors["blocks.1.3.running_var"][1] = -0.5


@pytest.mark.parametrize(
    ("damage", "tensor"),
    [
        (wrong_shape, "blocks.1.1.weight"),
        (wrong_rank, "blocks.1.1.weight"),
        (integers, "blocks.1.1.weight"),
        (missing, "blocks.1.1.weight"),
        (extra, "blocks.1.1.weight.extra"),
        (half_a_head, "head.bias"),
        (broken_head, "head.weight"),
        (no_channels, "stem.0.weight"),
        (no_number, "blocks.1.1.weight"),
        (no_variance, "blocks.1.3.running_var"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(checkpoint, damage, tensor):
    path, tensors = checkpoint
    damage(tensors)
    save_file(tensors, path)
    model = small()
    before = model.get_weights()
    with pytest.raises(ValueError, match=re.escape(tensor)) as error:
        load_weights(model, path)
    assert str(path) in str(error.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "option", [{"dim": 16}, {"depth": 3}, {"kernel_size": 5}, {"patch_size": 2}]
)
@WEIGHTS_FILES
def test_weights_of_another_network_are_an_error(tmp_path, suffix, option):
    path = source_file(tmp_path, suffix)
    network = {"dim": 8, "depth": 2, "kernel_size": 3, "patch_size": 4}
    with pytest.raises(ValueError, match="does not fit the network") as error:
        ConvMixer(**network | option, input_shape=(16, 16, 3), weights=path)
    assert str(path) in str(error.value)


def test_names_of_keras_and_timm_in_one_file_are_an_error(tmp_path):
    tensors = timm_checkpoint()
    tensors["stem_conv/kernel"] = np.zeros((4, 4, 3, 8), "float32")
    path = tmp_path / "mixed.safetensors"
    save_file(tensors, path)
    message = "mixed.safetensors holds .*'stem_conv/kernel' and 'blocks"
    with pytest.raises(ValueError, match=message):
        small(weights=path)


@pytest.mark.parametrize("suffix", [".keras", OWN])
def test_weights_for_another_activation_are_an_error(tmp_path, suffix):
    path = source_file(tmp_path, suffix)
    with pytest.raises(ValueError, match="'gelu', the model has 'relu'"):
        small(weights=path, activation="relu")


@pytest.mark.parametrize("weights", ["imagnet", "model.pth", 5])
def test_unknown_weights_say_what_exists(weights):
    with pytest.raises(ValueError, match=r"'imagenet'.*safetensors") as error:
        small(weights=weights)
    assert repr(weights) in str(error.value)


def test_a_missing_file_is_named():
    with pytest.raises(ValueError, match=r"no file /no/model\.safetensors"):
        small(weights="/no/model.safetensors")


def test_networks_without_imagenet_weights_hear_which_have_them():
    with pytest.raises(ValueError, match=r"convmixer_1536_20.*Received.*8"):
        small(weights="imagenet")


@pytest.mark.parametrize("name", ["model.weights.h5", "model.h5"])
def test_an_hdf5_file_is_refused_with_the_way_to_convert_it(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(ValueError, match=r"ends in \.keras or .*load_w") as e:
        small(weights=path)
    assert str(path) in str(e.value)
    source = small()
    source.save_weights(tmp_path / "model.weights.h5")
    # What the message says to do.
    model = small()
    model.load_weights(tmp_path / "model.weights.h5")
    save_weights(model, tmp_path / "converted.safetensors")
    loaded = small(weights=tmp_path / "converted.safetensors")
    for ours, theirs in zip(
        loaded.get_weights(), source.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
