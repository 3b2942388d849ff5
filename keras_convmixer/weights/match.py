"""Which tensor of a file goes into which variable of a model."""

import numpy as np

from keras_convmixer.utils.checks import UserError
from keras_convmixer.weights.timm_names import kernel_axes, timm_name


class Matching:
    """What of a file goes where in a model, and what doesn't fit.

    Attributes:
        assignments: List of (variable, float32 array).
        problems: List of sentences that name the tensors that don't fit.
        head_problem: Why the head can't be loaded, though all else can.
    """

    def __init__(self, model, path, tensors):
        self.path = path
        self.tensors = tensors
        self.from_timm = path.name.endswith(".safetensors")
        self.assignments = []
        self.problems = []
        self.head_problem = None
        self.left = dict(tensors)

        layers = own_layers(model)
        head = layers.pop("head", None)
        for layer in layers.values():
            for variable in layer.weights:
                self.match(layer, variable, tuple(variable.shape))
        self.match_head(head)
        self.problems += [
            f"{name!r} is not part of the network" for name in self.left
        ]

    def match(self, layer, variable, shape):
        """Finds a variable's value; `shape` is what it may have, for Keras."""
        name = self.name(layer.name, variable.name)
        value = self.left.pop(name, None)
        if value is None:
            self.problems.append(f"{name!r} is missing")
            return
        if value.dtype.kind in "biuc":
            self.problems.append(f"{name!r} is {value.dtype}, not floating")
            return
        axes = tuple(range(len(shape)))
        if self.from_timm and variable.name == "kernel":
            axes = kernel_axes(layer.name)
        is_stem = layer.name == "stem_conv" and variable.name == "kernel"
        if is_stem and value.ndim == 4:
            shape = (*shape[:2], max(1, value.shape[axes[2]]), shape[3])
        shape = tuple(shape[axes.index(axis)] for axis in range(len(axes)))
        if value.shape != shape:
            self.problems.append(
                f"{name!r} has the shape {value.shape}, not {shape}"
            )
            return
        value = value.astype("float32").transpose(axes)
        if not np.isfinite(value).all():
            self.problems.append(f"{name!r} holds values that are no numbers")
        if variable.name == "moving_variance" and (value < 0).any():
            self.problems.append(f"{name!r} holds negative variances")
        if is_stem:
            value = adapt_channels(value, variable.shape[2])
        self.assignments.append((variable, value))

    def match_head(self, head):
        names = {
            variable: self.name("head", variable)
            for variable in ("kernel", "bias")
        }
        if head is None:
            for name in names.values():
                self.left.pop(name, None)
            return
        if not self.left.keys() & names.values():
            self.head_problem = f"{self.path} has none."
            return
        bias = self.left.get(names["bias"])
        classes = head.units
        if bias is not None and bias.ndim == 1 and len(bias) != classes:
            classes = len(bias)
            self.head_problem = (
                f"{self.path} has {classes} classes, the model {head.units}."
            )
        loaded = len(self.assignments)
        self.match(head, head.kernel, (head.kernel.shape[0], classes))
        self.match(head, head.bias, (classes,))
        if self.head_problem:
            del self.assignments[loaded:]

    def name(self, layer, variable):
        """What the file calls a variable."""
        if self.from_timm:
            return timm_name(layer, variable)
        return f"{layer}/{variable}"

    def raise_problems(self, network):
        if self.problems:
            listed = "; ".join(self.problems[:3])
            rest = len(self.problems) - 3
            more = f"; and {rest} more tensors" if rest > 0 else ""
            described = ", ".join(f"{k}={v!r}" for k, v in network.items())
            raise UserError(
                f"{self.path} does not fit the network ({described}): "
                f"{listed}{more}"
            )


def own_layers(model):
    """The layers with weights that `ConvMixer` made, by name.

    A model that was built on an `input_tensor` can have others as well.
    """
    return {
        layer.name: layer
        for layer in model.layers
        if timm_name(layer.name, "bias") and layer.weights
    }


def adapt_channels(kernel, channels):
    """A stem kernel `(side, side, n, dim)` for another n, as timm does it."""
    given = kernel.shape[2]
    if channels == given:
        return kernel
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    repeated = np.tile(kernel, (1, 1, -(-channels // given), 1))
    return repeated[:, :, :channels] * (given / channels)
