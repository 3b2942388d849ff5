"""The ranges of the activations that integer files round to."""

import itertools
import re

import keras
import numpy as np

from .quantizer import all_activations_kept, integer_recipe

FLOAT_LAYERS = ("pool", "head")
MOVING_LAYERS = ("Reshape", "ZeroPadding2D", "Cropping2D")


def calibrate(float32, images, are_pixels):
    """The least and the largest value of every tensor over the images.

    The quantizer's own calibration averages the extremes of the images and so
    cuts the larger ones off; here it only names the tensors.

    Args:
        float32: Contents of a float32 file.
        images: What the file takes, `[N, height, width, channels]`.
        are_pixels: Whether its values are 0 to 255, and go in unchanged.

    Returns:
        `{tensor name: {"min": array, "max": array, ...}}`.
    """
    from ai_edge_litert.interpreter import Interpreter

    recipe = integer_recipe(float32)
    with all_activations_kept():
        ranges = recipe.calibrate({"serving_default": [{"image": images[:1]}]})
        interpreter = Interpreter(
            model_content=float32, experimental_preserve_all_tensors=True
        )
    run = interpreter.get_signature_runner()
    tensors = {
        tensor["name"]: tensor["index"]
        for tensor in interpreter.get_tensor_details()
    }
    progress = keras.utils.Progbar(len(images), unit_name="image")
    for image in images:
        run(image=image[None])
        for name, limits in ranges.items():
            if name in tensors:
                values = interpreter.get_tensor(tensors[name])
                limits["min"] = np.minimum(limits["min"], values.min())
                limits["max"] = np.maximum(limits["max"], values.max())
        progress.add(1)
    if are_pixels:
        before_stem = itertools.takewhile(
            lambda tensor: "stem_conv" not in tensor, ranges
        )
        inputs = (tensor for tensor in ranges if "image" in tensor)
        for tensor in {*before_stem, *inputs}:
            set_range(ranges, tensor, (0, 255))
    return ranges


def set_range(ranges, tensor, limits):
    for name, value in zip(("min", "max"), limits, strict=True):
        ranges[tensor][name] = np.full_like(ranges[tensor][name], value)


def output_tensors(ranges, inference):
    """Which tensor holds the output of which layer.

    Args:
        ranges: What `calibrate` gives, in the order of the file.
        inference: The inference model that the file was written of.

    Returns:
        `{layer name: tensor name}`, for layers whose output is rounded: not
        those that only move values, nor those behind the last feature map,
        nor those that are computed in one operator with the next.
    """
    layers = {
        layer.name
        for layer in inference.layers
        if layer.name not in FLOAT_LAYERS
        and type(layer).__name__ not in MOVING_LAYERS
    }
    tensors = {}
    for tensor in ranges:
        # MODEL/LAYER_1/OPERATOR;... with the last of what was fused in front.
        for part in reversed(tensor.split(";")[0].split("/")):
            layer = re.sub(r"_\d+$", "", part)
            if layer in layers:
                tensors[layer] = tensor
                break
    return tensors


def output_ranges(ranges, inference):
    """`{layer name: (least, largest)}` for the layers of `output_tensors`.

    Zero, which padding needs, is in every range.
    """
    return {
        layer: (
            min(ranges[tensor]["min"].item(), 0.0),
            max(ranges[tensor]["max"].item(), 0.0),
        )
        for layer, tensor in output_tensors(ranges, inference).items()
    }


def set_output_ranges(ranges, inference, limits):
    """Puts ranges in the form of `output_ranges` into those of `calibrate`."""
    tensors = output_tensors(ranges, inference)
    for layer, (least, largest) in limits.items():
        set_range(ranges, tensors[layer], (least, largest))
