"""Reads the weights in an HDF5 file of Keras, in a process of its own.

python read_hdf5.py SECONDS BYTES < FILE > TENSORS

writes them as safetensors, by layer and variable. HDF5 can crash on a damaged
file, or never end: SECONDS limits the processor time, where the system can do
that, and BYTES the memory of the arrays. Links that lead out of the file are
refused.
"""

import io
import math
import sys

import h5py
import numpy as np
from safetensors.numpy import save

try:
    import resource
except ImportError:  # On Windows; `read_weights` limits the time there.
    resource = None

VARIABLES = ("kernel", "bias")
NORM_VARIABLES = ("gamma", "beta", "moving_mean", "moving_variance")


def read(file, max_bytes):
    """`"layer/variable"` to array, of an open file."""
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
            chunk = math.prod(values.chunks or ()) * values.dtype.itemsize
            used = sum(tensor.nbytes for tensor in tensors.values())
            if used + max(values.nbytes, chunk) > max_bytes:
                raise ValueError(f"it would take over {max_bytes:,} bytes")
            known = index.isdecimal() and int(index) < len(names)
            variable = names[int(index)] if known else index
            tensors[f"{layer}/{variable}"] = np.asarray(values[()])

    with h5py.File(file) as opened:
        opened["layers"].visititems(visit)
    return tensors


def limit_processor_time(seconds):
    """Ends this process once it has taken those seconds from now on."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    limit = math.ceil(used) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))


def main():
    seconds, max_bytes = map(int, sys.argv[1:])
    if resource:
        limit_processor_time(seconds)
    try:
        tensors = read(io.BytesIO(sys.stdin.buffer.read()), max_bytes)
        sys.stdout.buffer.write(save(tensors))
    # HDF5, its Python package and safetensors have no base for a bad file's.
    except Exception as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
