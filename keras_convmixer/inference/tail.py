"""Steps after the trunk: the user's own layers, in float32."""

import keras
import numpy as np

from keras_convmixer.inference.front import is_training_only
from keras_convmixer.inference.gelu import with_gelu
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.graph import Step
from keras_convmixer.utils.text import unique


class Tail:
    """The steps after the trunk, without those that act in training only.

    Args:
        network: A `keras_convmixer.architecture.Network`.
        gelu: As for `with_gelu`.

    Attributes:
        classifier: The step of the dense layer into which the norm before it
            is folded; None if there is none.
    """

    def __init__(self, network, gelu):
        self.gelu = gelu
        self.start = list(network.trunk.values())[-1]
        self.steps = []
        self.replacement_of = {}
        for step in network.tail:
            if is_training_only(step.operation):
                (source,) = step.sources
                self.replacement_of[step] = self.resolve(source)
            else:
                self.steps.append(step)
        self.output = self.resolve(network.output)
        self.classifier = self.find_classifier()

    def resolve(self, step):
        """The step itself, or the one before those that are left out."""
        return self.replacement_of.get(step, step)

    def find_classifier(self):
        """The dense layer that takes the pooled output of the trunk.

        None if the output or its global average goes anywhere else.
        """
        pool = self.only_user(self.start)
        if pool is None or not is_stock(pool, "GlobalAveragePooling2D"):
            return None
        dense = self.only_user(pool)
        if dense is None or not is_stock(dense, "Dense"):
            return None
        calls = [s for s in self.steps if s.operation is dense.operation]
        is_plain = len(dense.operation.weights) <= 2
        return dense if len(calls) == 1 and is_plain else None

    def only_user(self, step):
        users = [
            user
            for user in self.steps
            if step in map(self.resolve, user.sources)
        ]
        return users[0] if len(users) == 1 and step is not self.output else None

    def build(self, x, norm, taken):
        """Builds the steps on another tensor; returns that of the output.

        Args:
            x: What the trunk gives; before the last norm if there is a
                classifier.
            norm: The `(scale, shift)` of that norm.
            taken: Names that layers have already, to which those here are
                added.
        """
        results = {self.start: x}
        copies = {}
        for step in self.steps:
            args, kwargs = keras.tree.map_structure(
                lambda leaf: (
                    results.get(self.resolve(leaf), leaf)
                    if isinstance(leaf, Step)
                    else leaf
                ),
                (step.args, step.kwargs),
            )
            if "training" in kwargs:
                kwargs["training"] = False
            operation = step.operation
            is_new = id(operation) not in copies
            is_folded = step is self.classifier
            if is_new:
                options = {"use_bias": True} if is_folded else {}
                copy = copy_of(
                    operation,
                    name=unique(operation.name, taken),
                    **options,
                )
                copies[id(operation)] = with_gelu(copy, self.gelu)
            copy = copies[id(operation)]
            results[step] = copy(*args, **kwargs)
            if is_new and getattr(operation, "weights", []):
                weights = operation.get_weights()
                if is_folded:
                    weights = fold_norm(*norm, *weights)
                set_weights(copy, weights)
        return results[self.output]


def fold_norm(scale, shift, kernel, bias=0.0):
    """The weights of a dense layer with the norm before it in them."""
    kernel = kernel.astype("float64")
    bias = bias + shift @ kernel
    return [np.float32(scale[:, None] * kernel), np.float32(bias)]


def is_stock(step, kind):
    """Whether it is a call of that layer of Keras', as it is by default."""
    layer = step.operation
    is_it = type(layer) is getattr(keras.layers, kind)
    return is_it and not getattr(layer, "keepdims", False)


def copy_of(operation, name, **options):
    """A new layer of the same kind, in float32.

    Raises:
        UserError: If it can't be made from its configuration.
    """
    try:
        config = operation.get_config() | {"name": name, **options}
        if isinstance(operation, keras.Layer):
            config = in_float32(config)
        return type(operation).from_config(config)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise UserError(
            f"{operation.name!r} ({type(operation).__name__}) can't be made "
            f"again from its configuration: {error}"
        ) from error


def set_weights(copy, weights):
    try:
        copy.set_weights(weights)
    except ValueError as error:
        raise UserError(
            f"{copy.name!r} ({type(copy).__name__}) has other weights in the "
            f"inference model: {error}"
        ) from error


def in_float32(config):
    """The configuration of a layer, and of those inside it, in float32."""
    if isinstance(config, dict):
        return {
            key: "float32" if key == "dtype" else in_float32(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(map(in_float32, config))
    return config
