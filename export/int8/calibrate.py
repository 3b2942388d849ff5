"""The ranges of the activations that integer files round to."""

import contextlib
import re
import warnings

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from keras_convmixer.compat import users_of

from ..flatbuffer import Graph, unpack

MOVING_LAYERS = ("Reshape", "Permute", "ZeroPadding2D", "Cropping2D")
LAST_FEATURE_MAP = "features_activation"
FUSED_ACTIVATIONS = (keras.activations.relu, keras.activations.relu6)


def activation_ranges(contents, inference, images, layer_ranges):
    """The range of each activation of a float32 file.

    The quantizer's own calibration averages the extremes of the images and so
    cuts the larger ones off; here a range holds all values of all images.

    Args:
        contents: The contents of the file.
        inference: The inference model for integers that it was made of.
        images: Representative images, `[N, height, width, channels]`; uint8,
            0 to 255, for a model that takes pixels, else float32.
        layer_ranges: `{layer name: (least, largest)}` of outputs whose ranges
            are known. All others are measured on the images.

    Returns:
        `(ranges, features)`: `{tensor name: (least, largest)}`, and the name
        of the tensor that holds the last feature map.
    """
    graph = Graph(unpack(contents))
    ranges = extremes(contents, graph.computed, images)
    if images.dtype == np.uint8:
        for tensor in graph.input_tensors():
            ranges[tensor] = (0.0, 255.0)
    tensors = find_layer_tensors(graph.computed, rounded_layers(inference))
    for layer, tensor in tensors.items():
        if layer in layer_ranges:
            ranges[tensor] = layer_ranges[layer]
    # An activation that does nothing has no tensor.
    return ranges, list(tensors.values())[-1]


def rounded_layers(inference):
    """Names of the layers whose outputs a file rounds to eight bits.

    Left out are layers that only move values, those after the last feature
    map, and those that the converter computes in one operator with the next:
    an activation that does nothing, and what a ReLU alone takes.
    """
    trunk, _ = split_at_last_feature_map(inference)
    return [
        layer.name
        for layer in trunk
        if type(layer).__name__ not in MOVING_LAYERS
        and not is_activation(layer, keras.activations.linear)
        and not is_fused(layer)
    ]


def is_fused(layer):
    """Whether the converter computes it in one operator with the next."""
    users = set(users_of(layer))
    return len(users) == 1 and is_activation(users.pop(), *FUSED_ACTIVATIONS)


def is_activation(layer, *functions):
    is_one = isinstance(layer, keras.layers.Activation)
    return is_one and layer.activation in functions


def split_at_last_feature_map(inference):
    """An inference model's layers up to the last feature map, and the rest.

    The input is in neither of the two lists.
    """
    names = [layer.name for layer in inference.layers]
    end = names.index(LAST_FEATURE_MAP) + 1
    return inference.layers[1:end], inference.layers[end:]


def find_layer_tensors(tensors, layers):
    """Which tensor holds the output of which layer.

    The converter names a tensor MODEL/LAYER_1/OPERATOR;MODEL/..., the last of
    the operators that it fused before them. A layer of several operators has
    several tensors, the last of which is its output.

    Args:
        tensors: Names of tensors, in the order of the file.
        layers: Names of layers.

    Returns:
        `{layer name: tensor name}`, for the layers that have one.
    """
    found = {}
    for tensor in tensors:
        for part in reversed(tensor.split(";")[0].split("/")):
            layer = re.sub(r"_\d+$", "", part)
            if layer in layers:
                found[layer] = tensor
                break
    return found


def extremes(contents, tensors, images):
    """`{tensor name: (least, largest)}` of all values over the images."""
    with all_tensors_kept():
        interpreter = Interpreter(
            model_content=contents, experimental_preserve_all_tensors=True
        )
    run = interpreter.get_signature_runner()
    # float32 where the final file takes int8.
    image_type = run.get_input_details()["image"]["dtype"]
    indices = {
        tensor["name"]: tensor["index"]
        for tensor in interpreter.get_tensor_details()
    }
    ranges = dict.fromkeys(tensors, (np.inf, -np.inf))
    progress = keras.utils.Progbar(len(images), unit_name="image")
    for image in images:
        run(image=image[None].astype(image_type))
        for tensor, (least, largest) in ranges.items():
            values = interpreter.get_tensor(indices[tensor])
            ranges[tensor] = (
                min(least, values.min().item()),
                max(largest, values.max().item()),
            )
        progress.add(1)
    return ranges


@contextlib.contextmanager
def all_tensors_kept():
    """LiteRT warns of the memory that this takes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*preserve_all_tensors")
        yield
