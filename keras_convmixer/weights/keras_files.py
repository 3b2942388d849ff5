"""The weights in a `.keras` file, by layer and variable.

Only arrays and names are taken from a file, and no more than it can hold:
nothing of it is built, imported, called or unpacked to disk. An archive carries
a checksum of each member, so accidental damage is refused before HDF5 parses
anything. A file made to attack the HDF5 library itself is as dangerous as to
Keras, which reads it in the same way.
"""

import io
import json
import math
import zipfile

from keras_convmixer.utils.checks import UserError

# The limits of a decompression bomb: weights hardly compress, so a file may
# expand to these times its size, and these bytes for what is not weights.
MAX_EXPANSION = 8
MAX_OVERHEAD = 2**24
VARIABLES = ("kernel", "bias")
NORM_VARIABLES = ("gamma", "beta", "moving_mean", "moving_variance")


def keras_name(layer, variable):
    """The name of a variable in Keras' files and our own, and its transpose.

    The axes are the model's: there is None.
    """
    return f"{layer}/{variable}", None


def read_keras(path, activation):
    """Reads the weights of a `.keras` file: `"layer/variable"` to array.

    Raises:
        UserError: If it can't be read, or its network has another activation.
    """
    limit = MAX_OVERHEAD + MAX_EXPANSION * path.stat().st_size
    names = ("config.json", "model.weights.h5")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(archive.getinfo(name).file_size for name in names)
            if size > limit:
                raise UserError(f"it would unpack to {size:,} bytes")
            config, weights = map(archive.read, names)
        found = stem_activation(json.loads(config))
        tensors = read_hdf5(weights, limit)
    # Zip, its compressions, JSON and HDF5 share no error for a bad file.
    except Exception as error:
        raise UserError(
            f"{path} is not a Keras model that can be read: {error}"
        ) from error
    check_activation(path, found, activation)
    return tensors


def check_activation(path, found, activation):
    """A UserError if the network of a file is for another activation."""
    if found != activation:
        raise UserError(
            f"{path} is a network with activation={found!r}, the model has "
            f"{activation!r}"
        )


def stem_activation(config):
    """The activation of a network, from the configuration of its model."""
    for layer in config["config"]["layers"]:
        if layer["config"]["name"] == "stem_activation":
            return layer["config"]["activation"]
    raise UserError("it is not one that keras_convmixer.ConvMixer built")


def read_hdf5(contents, limit):
    """The arrays in the bytes of Keras' HDF5 file, by "layer/variable".

    They may take `limit` bytes of memory.
    """
    import h5py

    tensors = {}
    used = 0

    def visit(path, group):
        nonlocal used
        if not (isinstance(group, h5py.Group) and "name" in group.attrs):
            return
        layer = group.attrs["name"]
        names = NORM_VARIABLES if layer.endswith("_norm") else VARIABLES
        for index, values in group.items():
            link = group.get(index, getlink=True)
            is_inside = isinstance(link, h5py.HardLink)
            if not is_inside or values.external or values.is_virtual:
                raise UserError(f"{path}/{index} leads out of it")
            if values.dtype.hasobject:
                raise UserError(f"{path}/{index} holds no numbers")
            chunk = math.prod(values.chunks or ()) * values.dtype.itemsize
            used += values.nbytes
            if max(used, chunk) > limit:
                raise UserError(f"it would take over {limit:,} bytes")
            is_known = index.isdecimal() and int(index) < len(names)
            variable = names[int(index)] if is_known else index
            tensors[f"{layer}/{variable}"] = values[()]

    with h5py.File(io.BytesIO(contents)) as file:
        file["layers"].visititems(visit)
    return tensors
