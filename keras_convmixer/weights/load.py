"""Where weights come from: the package, the hub, or a file."""

import warnings
from pathlib import Path

from keras_convmixer.utils.checks import UserError, did_you_mean
from keras_convmixer.weights.hub import imagenet_file
from keras_convmixer.weights.keras_files import read_keras, read_weights_h5
from keras_convmixer.weights.match import Matching
from keras_convmixer.weights.shipped import pretrained_file, pretrained_names
from keras_convmixer.weights.timm_names import read_safetensors

SUFFIXES = (".keras", ".weights.h5", ".safetensors")


def load_weights(model, weights, new_head=True):
    """Loads weights into a model that `ConvMixer` built.

    Everything is checked first: after an error the model is as it was.

    The stem adapts to another number of input channels: for one, the kernel's
    channels are summed; for n, they are repeated, cut and multiplied by
    `channels of the weights / n`. A head for another number of classes, or
    that the file doesn't have, stays as it is, with a warning.

    Args:
        model: A model that `ConvMixer` built, with or without the top.
        weights: "imagenet", "cifar10", or the path of a `.keras`,
            `.weights.h5` or timm `.safetensors` file.
        new_head: Whether the head may stay as it is; else it is an error.

    Raises:
        ValueError: If there are no such weights, or they are not those of
            this network. It names the file and the tensors.
        OSError: If the hub is out of reach. It says where to put the file.
    """
    # Here, as it takes Keras: commands find a file and its faults without.
    from keras_convmixer.architecture import architecture

    network = architecture(model)
    path = find_file(weights, network)
    if path.name.endswith(".safetensors"):
        tensors = read_safetensors(path)
    elif path.name.endswith(".keras"):
        tensors = read_keras(path, network["activation"])
    else:
        tensors = read_weights_h5(path)

    found = Matching(model, path, tensors)
    if found.head_problem and not new_head:
        found.problems.append(found.head_problem)
    found.raise_problems(network)
    for variable, value in found.assignments:
        variable.assign(value)
    if found.head_problem:
        warnings.warn(
            f"The head is new and has to be trained: {found.head_problem}",
            stacklevel=3,
        )


def find_file(weights, network):
    """The file that `weights=` means."""
    if weights == "imagenet":
        return imagenet_file(network)
    if weights in pretrained_names():
        return pretrained_file(weights, network)
    if not str(weights).endswith(SUFFIXES):
        names = ["imagenet", *pretrained_names()]
        raise UserError(
            f"weights must be None, {', '.join(map(repr, names))}, or the path "
            f"of a file that ends in {', '.join(SUFFIXES)}. "
            f"Received: {weights!r}.{did_you_mean(weights, names)}"
        )
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(f"weights: there is no file {path}")
    return path
