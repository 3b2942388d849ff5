"""`convmixer convert-weights`: a timm checkpoint as a Keras file."""

import keras
import numpy as np
from safetensors.numpy import save_file

from keras_convmixer import ConvMixer
from tests.helpers import timm_checkpoint
from tests.processes import run_command


def convert(*arguments):
    program = ("-m", "keras_convmixer", "convert-weights")
    return run_command(*program, *arguments, check=False)


def test_the_command_reads_the_network_off_the_tensors(tmp_path):
    path, out = tmp_path / "odd.safetensors", tmp_path / "odd.keras"
    network = {"dim": 6, "depth": 3, "kernel": 4, "patch": 5, "channels": 4}
    save_file(timm_checkpoint(**network, classes=2), path)
    done = convert(path, out, "--activation", "relu", "--image-size", 20)
    assert done.returncode == 0, done.stderr
    model = keras.models.load_model(out)
    assert model.input_shape == (None, 20, 20, 4)
    assert model.output_shape == (None, 2)
    direct = ConvMixer(
        dim=6,
        depth=3,
        kernel_size=4,
        patch_size=5,
        activation="relu",
        classes=2,
        input_shape=(20, 20, 4),
        weights=path,
    )
    x = np.random.default_rng(0).uniform(0, 255, (2, 20, 20, 4))
    np.testing.assert_array_equal(model(x), direct(x))


def test_the_command_keeps_a_trunk_a_trunk_of_any_size(tmp_path):
    path, out = tmp_path / "trunk.safetensors", tmp_path / "trunk.keras"
    save_file(timm_checkpoint(classes=0), path)
    assert convert(path, out).returncode == 0
    model = keras.models.load_model(out)
    assert model.input_shape == (None, None, None, 3)
    assert model.output_shape == (None, None, None, 8)
