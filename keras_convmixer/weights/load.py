"""Where weights come from: the package, the hub, or a file."""

import warnings
from pathlib import Path

from keras_convmixer.utils.checks import UserError, did_you_mean
from keras_convmixer.weights.hub import imagenet_file
from keras_convmixer.weights.keras_files import (
    check_activation,
    keras_name,
    read_keras,
)
from keras_convmixer.weights.match import match
from keras_convmixer.weights.safetensors_files import read_safetensors
from keras_convmixer.weights.shipped import pretrained_file, pretrained_names
from keras_convmixer.weights.timm_names import timm_name

LISTED_PROBLEMS = 3
WEIGHTS_SUFFIXES = (".keras", ".safetensors")


def load_weights(model, weights, new_head=True):
    """Loads weights into the ConvMixer that a model is, or has inside.

    Everything is checked first: after an error the model is as it was.

    The stem adapts to another number of input channels: for one, the kernel's
    channels are summed; for n, they are repeated, cut and multiplied by
    `channels of the weights / n`. A head for another number of classes, or
    that the file doesn't have, stays as it is, with a warning.

    Args:
        model: A model that `ConvMixer` built, with or without the top, or one
            that has it inside, a `keras.Sequential` for instance.
        weights: "imagenet", "cifar10", or the path of a `.keras`
            or `.safetensors` file, the latter timm's or from `save_weights`.
        new_head: Whether the head may stay as it is; else it is an error.

    Raises:
        UserError: If there are no such weights, or they are not those of
            this network. It names the file and the tensors.
        OSError: If the hub is out of reach. It says where to put the file.

    Example:
        >>> model = keras_convmixer.ConvMixer(768, 32, 7, 7, "relu")
        >>> load_weights(model, "imagenet")
    """
    # Here, as it takes Keras: commands find a file and its faults without.
    from keras_convmixer.architecture import architecture

    network = architecture(model)
    path = find_file(weights, network)
    tensors, naming = read_tensors(path, network["activation"])
    found = match(model, tensors, naming)
    if found.head_problem and not new_head:
        found.problems.append(f"the head: {path} {found.head_problem}")
    if found.problems:
        rest = len(found.problems) - LISTED_PROBLEMS
        more = f"; and {rest} more tensors" if rest > 0 else ""
        described = ", ".join(f"{k}={v!r}" for k, v in network.items())
        raise UserError(
            f"{path} does not fit the network ({described}): "
            f"{'; '.join(found.problems[:LISTED_PROBLEMS])}{more}"
        )
    for variable, value in found.assignments:
        variable.assign(value)
    if found.head_problem:
        warnings.warn(
            "The head is new and has to be trained: "
            f"{path} {found.head_problem}",
            stacklevel=3,
        )


def read_tensors(path, activation):
    """The tensors of a weights file, and how it calls them.

    Returns:
        `(tensors, naming)`: name to array, and `keras_name` or `timm_name`.

    Raises:
        UserError: If it can't be read, or tells of another activation.
    """
    if path.name.endswith(".keras"):
        return read_keras(path, activation), keras_name
    tensors, metadata = read_safetensors(path)
    # A slash is between layer and variable; timm's names have none.
    ours = [name for name in tensors if "/" in name]
    if not ours:
        return tensors, timm_name
    others = sorted(tensors.keys() - set(ours))
    if others:
        raise UserError(
            f"{path} holds names of Keras and of timm, {ours[0]!r} and "
            f"{others[0]!r}: they must be one or the other"
        )
    found = metadata.get("activation", activation)
    check_activation(path, found, activation)
    return tensors, keras_name


def find_file(weights, network):
    """The file that `weights=` means.

    Args:
        weights: As for `load_weights`.
        network: The arguments of `ConvMixer`; None where `weights` is a path.

    Raises:
        UserError, OSError: As `load_weights`.
    """
    if weights == "imagenet":
        return imagenet_file(network)
    if weights in pretrained_names():
        return pretrained_file(weights, network)
    if str(weights).endswith((".h5", ".hdf5")):
        raise UserError(
            f"weights must be a file that ends in "
            f"{' or '.join(WEIGHTS_SUFFIXES)}. Received: {weights}. Convert "
            "it: model.load_weights(...) of Keras, then "
            "keras_convmixer.weights.save_weights(model, 'NAME.safetensors')"
        )
    if not str(weights).endswith(WEIGHTS_SUFFIXES):
        names = ["imagenet", *pretrained_names()]
        raise UserError(
            f"weights must be None, {', '.join(map(repr, names))}, or the path "
            f"of a file that ends in {', '.join(WEIGHTS_SUFFIXES)}. "
            f"Received: {weights!r}.{did_you_mean(weights, names)}"
        )
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(f"weights: there is no file {path}")
    return path
