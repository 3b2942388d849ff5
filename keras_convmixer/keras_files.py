"""The weights in the files that Keras writes, by layer and variable.

Only arrays and names are taken from a file, and no more than it can hold:
nothing of it is built, imported or called.
"""

import io
import json
import math
import zipfile

import numpy as np

# Weights hardly compress. A file that says it holds more than these times its
# size, and these bytes for what is not weights, is made to fill the memory.
EXPANSION = 8
OVERHEAD = 2**24
VARIABLES = ("kernel", "bias")
NORM_VARIABLES = ("gamma", "beta", "moving_mean", "moving_variance")


def read_keras(path, activation):
    """`"layer/variable"` to array, of a saved model.

    Raises:
        ValueError: If it can't be read, or its network has another activation.
    """
    names = ("config.json", "model.weights.h5")
    try:
        with zipfile.ZipFile(path) as archive:
            check_bytes(sum(archive.getinfo(n).file_size for n in names), path)
            config, weights = map(archive.read, names)
        found = stem_activation(json.loads(config))
    # Zip, its compressions and JSON each have their own for a bad file.
    except Exception as error:
        raise ValueError(
            f"{path} is not a Keras model that can be read: {error}"
        ) from error
    if found != activation:
        raise ValueError(
            f"{path} is a network with activation={found!r}, the model has "
            f"{activation!r}"
        )
    return read_weights(io.BytesIO(weights), path)


def stem_activation(config):
    """That of a network by the configuration of its model."""
    for layer in config["config"]["layers"]:
        if layer["config"]["name"] == "stem_activation":
            return layer["config"]["activation"]
    raise ValueError("it is not one that keras_convmixer.ConvMixer built")


def read_weights_h5(path):
    """`"layer/variable"` to array, of a file that `save_weights` wrote."""
    return read_weights(path, path)


def read_weights(file, path):
    """Reads a path or an open file; `path` is named in errors."""
    import h5py

    tensors = {}

    def visit(group_name, item):
        if not (isinstance(item, h5py.Group) and "name" in item.attrs):
            return
        layer = item.attrs["name"]
        names = NORM_VARIABLES if layer.endswith("_norm") else VARIABLES
        for index, values in item.items():
            link = item.get(index, getlink=True)
            inside = isinstance(link, h5py.HardLink)
            if not inside or values.external or values.is_virtual:
                raise ValueError(f"{group_name}/{index} leads out of it")
            if values.dtype.hasobject:
                raise ValueError(f"{group_name}/{index} holds no numbers")
            read = math.prod(values.chunks or ()) * values.dtype.itemsize
            check_bytes(max(values.nbytes, read), path)
            known = index.isdecimal() and int(index) < len(names)
            variable = names[int(index)] if known else index
            tensors[f"{layer}/{variable}"] = np.asarray(values[()])
            check_bytes(sum(t.nbytes for t in tensors.values()), path)

    try:
        with h5py.File(file) as opened:
            opened["layers"].visititems(visit)
    # HDF5 and its Python package have no base for a bad file's either.
    except Exception as error:
        raise ValueError(
            f"{path} is not a weights file that can be read: {error}"
        ) from error
    return tensors


def check_bytes(count, path):
    allowed = OVERHEAD + EXPANSION * path.stat().st_size
    if count > allowed:
        raise ValueError(f"it would take {count:,} bytes of memory")
