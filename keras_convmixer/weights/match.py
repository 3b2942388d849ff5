"""Which tensor of a file goes into which variable of a model."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Match:
    """What of a file goes where in a model, and what doesn't fit.

    Attributes:
        naming: How the file calls the variables: `keras_name` or `timm_name`.
        left: Name to array, of the file: what no variable has taken.
        assignments: List of (variable, float32 array of its shape).
        problems: List of sentences that name the tensors that don't fit.
        head_problem: Why the head can't be loaded, though all else can; None
            if it can, or the model has none.
    """

    naming: Callable
    left: dict
    assignments: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    head_problem: str | None = None

    def take(self, layer, variable, shape):
        """Takes the value of a layer's variable out of what is left.

        Returns:
            A float32 array of the shape; None if there is a problem.
        """
        name, axes = self.naming(layer, variable)
        value = self.left.pop(name, None)
        if value is None:
            self.problems.append(f"{name!r} is missing")
            return None
        if value.dtype.kind in "biuc":
            self.problems.append(f"{name!r} is {value.dtype}, not floating")
            return None
        axes = axes or tuple(range(len(shape)))
        channels = None
        # The stem of a file may have another number of input channels.
        if (layer, variable) == ("stem_conv", "kernel") and value.ndim == 4:
            channels = shape[2]
            shape = (*shape[:2], max(1, value.shape[axes[2]]), shape[3])
        shape_in_file = tuple(shape[axes.index(i)] for i in range(len(axes)))
        if value.shape != shape_in_file:
            self.problems.append(
                f"{name!r} has the shape {value.shape}, not {shape_in_file}"
            )
            return None
        value = value.astype("float32").transpose(axes)
        if not np.isfinite(value).all():
            self.problems.append(f"{name!r} holds values that are no numbers")
        if variable == "moving_variance" and (value < 0).any():
            self.problems.append(f"{name!r} holds negative variances")
        return value if channels is None else adapt_channels(value, channels)

    def take_head(self, head):
        """Takes the head's variables, or notes why the head has to be new."""
        names = [self.naming("head", name)[0] for name in ("kernel", "bias")]
        if head is None:
            for name in names:
                self.left.pop(name, None)
            return
        if not self.left.keys() & set(names):
            self.head_problem = "has none."
            return
        bias = self.left.get(names[1])
        classes = head.units
        if bias is not None and bias.ndim == 1 and len(bias) != classes:
            classes = len(bias)
            self.head_problem = (
                f"has {classes} classes, the model {head.units}."
            )
        # Those of a head that is not loaded are checked as well.
        for variable in (head.kernel, head.bias):
            shape = (*variable.shape[:-1], classes)
            value = self.take("head", variable.name, shape)
            if value is not None and not self.head_problem:
                self.assignments.append((variable, value))


def match(model, tensors, naming):
    """The `Match` of a model, or of the `ConvMixer` in it, and a file.

    `tensors` are the file's arrays by name, `naming` as for `Match`.
    """
    found = Match(naming, dict(tensors))
    layers = own_layers(model)
    head = layers.pop("head", None)
    for role, layer in layers.items():
        for variable in layer.weights:
            value = found.take(role, variable.name, tuple(variable.shape))
            if value is not None:
                found.assignments.append((variable, value))
    found.take_head(head)
    found.problems += [
        f"{name!r} is not part of the network" for name in found.left
    ]
    return found


def own_layers(model):
    """The layers with weights that `ConvMixer` made, however deeply nested.

    Returns:
        `{role: layer}`; the role is the name that `ConvMixer` gives a layer,
        as for `trunk_layers`. A head is among them if it directly follows the
        pooled features.
    """
    # They need Keras, for which no command waits to refuse a mistake.
    from keras_convmixer.architecture import trunk_layers
    from keras_convmixer.utils.graph import leaf_layers

    layers = {
        role: layer
        for role, layer in trunk_layers(model).items()
        if layer.weights
    }
    dim = layers["stem_conv"].filters
    for layer in leaf_layers(model):
        is_dense = layer.name == "head" and hasattr(layer, "units")
        if is_dense and layer.kernel.shape[0] == dim:
            layers["head"] = layer
    return layers


def adapt_channels(kernel, channels):
    """A stem kernel `(side, side, n, dim)` for another n, as timm does it."""
    given = kernel.shape[2]
    if channels == given:
        return kernel
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    repeated = np.tile(kernel, (1, 1, -(-channels // given), 1))
    return repeated[:, :, :channels] * (given / channels)
