"""Steps after the trunk: the user's own layers, in float32."""

import keras
import numpy as np

from keras_convmixer.inference.front import is_training_only
from keras_convmixer.inference.gelu import with_gelu
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.graph import Step
from keras_convmixer.utils.text import unique


def build_tail(network, x, norm, build):
    """Adds the steps after the trunk, but for those that act in training only.

    Args:
        network: A `keras_convmixer.architecture.Network`.
        x: What the trunk gives, before its last norm.
        norm: The `(scale, shift)` of that norm. It becomes part of the
            classifier, if that can be, else a layer.
        build: The `InferenceLayers`.

    Returns:
        The tensor that `network.output` gives.
    """
    start = list(network.trunk.values())[-1]
    classifier = find_classifier(network, start)
    if classifier is None:
        scale, shift = norm
        x = build.scale(x, scale, shift, name="features_norm")
    results, copies = {start: x}, {}
    for step in network.tail:
        operation = step.operation
        if is_training_only(operation):
            (source,) = step.sources
            results[step] = results[source]
            continue
        args, kwargs = keras.tree.map_structure(
            lambda leaf: results[leaf] if isinstance(leaf, Step) else leaf,
            (step.args, step.kwargs),
        )
        if "training" in kwargs:
            kwargs["training"] = False
        is_new = id(operation) not in copies
        is_folded = step is classifier
        if is_new:
            copy = copy_of(
                operation,
                name=unique(operation.name, build.names),
                **({"use_bias": True} if is_folded else {}),
            )
            copies[id(operation)] = with_gelu(copy, build.arranged.gelu)
        copy = copies[id(operation)]
        results[step] = copy(*args, **kwargs)
        if is_new and getattr(operation, "weights", []):
            weights = operation.get_weights()
            if is_folded:
                weights = fold_norm(*norm, *weights)
            set_weights(copy, weights)
    return results[network.output]


def find_classifier(network, start):
    """The dense layer into which the norm before it can be folded.

    Returns:
        Its step, if the trunk's output, that of the step `start`, goes to
        global average pooling, that to a dense layer, and both to nothing
        else; None otherwise.
    """
    pool = only_user(network, start, "GlobalAveragePooling2D")
    dense = pool and only_user(network, pool, "Dense")
    if dense is None:
        return None
    calls = [step.operation for step in network.tail].count(dense.operation)
    is_plain = len(dense.operation.weights) <= 2
    return dense if calls == 1 and is_plain else None


def only_user(network, step, kind):
    """The step after another one; None if it is not the Keras layer named.

    It is also None if several steps use the result.
    """
    users = inference_users(network, step)
    if len(users) != 1 or users == [None]:
        return None
    layer = users[0].operation
    is_stock = type(layer) is getattr(keras.layers, kind)
    is_default = not getattr(layer, "keepdims", False)
    return users[0] if is_stock and is_default else None


def inference_users(network, step):
    """The steps that take a result in inference; the output's user is None."""
    users = [None] if step is network.output else []
    for user in network.tail:
        if step in user.sources:
            is_skipped = is_training_only(user.operation)
            users += inference_users(network, user) if is_skipped else [user]
    return users


def fold_norm(scale, shift, kernel, bias=0.0):
    """The weights of a dense layer with the norm before it in them."""
    kernel = kernel.astype("float64")
    bias = bias + shift @ kernel
    return [np.float32(scale[:, None] * kernel), np.float32(bias)]


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
