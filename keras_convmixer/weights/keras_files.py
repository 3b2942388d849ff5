"""The weights in the files that Keras writes, by layer and variable.

Only arrays and names are taken from a file, and no more than it can hold:
nothing of it is built, imported or called.
"""

import json
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

from keras_convmixer.utils.checks import UserError

READER = Path(__file__).with_name("read_hdf5.py")
# The limits of a decompression bomb: weights hardly compress, so a file may
# expand to these times its size, and these bytes for what is not weights.
MAX_EXPANSION = 8
MAX_OVERHEAD = 2**24
# Processor time that reading may take; a gigabyte takes a second.
READER_SECONDS = 1
READER_BYTES_A_SECOND = 2**28
# Without a limit of processor time, on Windows: seconds of the clock, in which
# the reader starts too, on a busy machine.
READER_START_SECONDS = 60


class KerasNames:
    """How Keras' files, and our own, call the variables.

    Example:
        >>> KERAS_NAMES.name("block_3_depthwise", "kernel")
        'block_3_depthwise/kernel'
    """

    def name(self, layer, variable):
        return f"{layer}/{variable}"

    def kernel_axes(self, layer):
        """None: the axes are the model's."""


KERAS_NAMES = KerasNames()


def read_keras(path, activation):
    """Reads the weights of a saved model.

    Args:
        path: A `.keras` file.
        activation: What the network's has to be.

    Returns:
        `"layer/variable"` to array.

    Raises:
        UserError: If it can't be read, or its network has another activation.
    """
    names = ("config.json", "model.weights.h5")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(archive.getinfo(name).file_size for name in names)
            if size > max_bytes(path):
                raise UserError(f"it would unpack to {size:,} bytes")
            config, weights = map(archive.read, names)
        found = stem_activation(json.loads(config))
    # Zip, its compressions and JSON each have their own for a bad file.
    except Exception as error:
        raise UserError(
            f"{path} is not a Keras model that can be read: {error}"
        ) from error
    check_activation(path, found, activation)
    return read_weights(weights, path)


def check_activation(path, found, activation):
    """A UserError if the network of a file is for another activation."""
    if found != activation:
        raise UserError(
            f"{path} is a network with activation={found!r}, the model has "
            f"{activation!r}"
        )


def stem_activation(config):
    """That of a network by the configuration of its model."""
    for layer in config["config"]["layers"]:
        if layer["config"]["name"] == "stem_activation":
            return layer["config"]["activation"]
    raise UserError("it is not one that keras_convmixer.ConvMixer built")


def read_weights_h5(path):
    """`"layer/variable"` to array, of a file that `save_weights` wrote."""
    return read_weights(path.read_bytes(), path)


def read_weights(contents, path):
    """Reads the contents of an HDF5 file; `path` is named in errors."""
    from safetensors.numpy import load

    seconds = READER_SECONDS + len(contents) // READER_BYTES_A_SECOND
    # -P: without the folder of the script, whose modules have common names.
    command = [sys.executable, "-P", READER, seconds, max_bytes(path)]
    limits_itself = find_spec("resource") is not None
    try:
        done = subprocess.run(
            list(map(str, command)),
            input=contents,
            capture_output=True,
            timeout=None if limits_itself else READER_START_SECONDS + seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(
            f"{path} is not a weights file that can be read: HDF5 did not end"
        ) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise UserError(
            f"{path} is not a weights file that can be read: "
            f"{said or 'HDF5 crashed, or did not end'}"
        )
    return load(done.stdout)


def max_bytes(path):
    """Bytes of memory that the contents of a file may take."""
    return MAX_OVERHEAD + MAX_EXPANSION * path.stat().st_size
