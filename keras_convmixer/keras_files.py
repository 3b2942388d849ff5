"""The weights in the files that Keras writes, by layer and variable."""

import numpy as np


def read_keras(path, activation):
    """`"layer/variable"` to array, of a saved model."""
    import keras

    from keras_convmixer.convmixer import architecture

    try:
        source = keras.models.load_model(path, compile=False, safe_mode=True)
    # Zip, JSON, HDF5 and Keras each have their own errors for a bad file.
    except Exception as error:
        raise ValueError(
            f"{path} is not a Keras model that can be read: {error}"
        ) from error
    try:
        found = architecture(source)["activation"]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if found != activation:
        raise ValueError(
            f"{path} is a network with activation={found!r}, the model has "
            f"{activation!r}"
        )
    return {
        f"{layer.name}/{variable.name}": np.asarray(
            keras.ops.convert_to_numpy(variable)
        )
        for layer in source.layers
        for variable in layer.weights
    }


def read_weights_h5(path):
    """`"layer/variable"` to array, of a file that `save_weights` wrote."""
    import h5py

    tensors = {}

    def visit(group_name, item):
        if not (isinstance(item, h5py.Group) and "name" in item.attrs):
            return
        layer = item.attrs["name"]
        names = ("kernel", "bias")
        if layer.endswith("_norm"):
            names = ("gamma", "beta", "moving_mean", "moving_variance")
        for index, values in item.items():
            link = item.get(index, getlink=True)
            inside = isinstance(link, h5py.HardLink)
            if not inside or values.external or values.is_virtual:
                raise ValueError(f"{group_name}/{index} leads out of it")
            known = index.isdecimal() and int(index) < len(names)
            variable = names[int(index)] if known else index
            tensors[f"{layer}/{variable}"] = values[()]

    try:
        with h5py.File(path) as file:
            file["layers"].visititems(visit)
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{path} is not a weights file that can be read: {error}"
        ) from error
    return tensors
