"""An inference model as one of Keras 2, which tfmot works on.

The import of tensorflow-model-optimization tells TensorFlow, by an environment
variable, to take Keras 2 for `tf.keras`, here and in every child process.
Imported from this module it leaves both as they were.
"""

import inspect
import os
import warnings

import keras
import tensorflow as tf

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.graph import Step, flatten

SWITCH = "TF_USE_LEGACY_KERAS"

tf.keras.Model  # noqa: B018  TensorFlow chooses its Keras when first asked.
before = os.environ.get(SWITCH)
try:
    with warnings.catch_warnings():
        # It still looks for distutils.
        warnings.simplefilter("ignore", DeprecationWarning)
        import tensorflow_model_optimization as tfmot
        import tf_keras
finally:
    if before is None:
        os.environ.pop(SWITCH, None)
    else:
        os.environ[SWITCH] = before

__all__ = ["legacy_model", "tf_keras", "tfmot"]

# Options of a Keras layer that matter in training only.
TRAINING_OPTIONS = ("_initializer", "_regularizer", "_constraint")


def legacy_model(inference):
    """Builds a model again with `tf_keras`, from configurations and weights.

    Args:
        inference: A functional `keras.Model` of stock layers, in float32.

    Returns:
        A functional `tf_keras.Model` of the same function, whose layers have
        the same names.

    Raises:
        UserError: If a layer has no counterpart. It names the layer.
    """
    (image, *steps), output = flatten(inference)
    results = {image: tf_keras.Input(inference.input_shape[1:], name="image")}
    layers = {}
    for step in steps:
        layer = step.operation
        is_new = layer not in layers
        if is_new:
            layers[layer] = legacy_layer(layer)
        args, kwargs = keras.tree.map_structure(
            lambda leaf: results[leaf] if isinstance(leaf, Step) else leaf,
            (step.args, step.kwargs),
        )
        results[step] = layers[layer](*args, **kwargs)
        if is_new:
            layers[layer].set_weights(layer.get_weights())
    return tf_keras.Model(results[image], results[output], name=inference.name)


def legacy_layer(layer):
    """The layer of `tf_keras` with the same configuration, without weights."""
    kind = getattr(tf_keras.layers, type(layer).__name__, None)
    stock = getattr(keras.layers, type(layer).__name__, None)
    if kind is None or type(layer) is not stock:
        raise UserError(
            f"{layer.name!r} ({type(layer).__name__}) has no counterpart in "
            "tf_keras"
        )
    allowed = inspect.signature(kind.__init__).parameters
    defaults = inspect.signature(stock.__init__).parameters
    config = {}
    for key, value in layer.get_config().items():
        if key.endswith(TRAINING_OPTIONS):
            continue
        if key in allowed:
            config[key] = value
        elif key in defaults and value != defaults[key].default:
            raise UserError(
                f"{layer.name!r} has {key}={value!r}, which tf_keras does not "
                "have"
            )
    if "activation" in config and not isinstance(layer, keras.layers.PReLU):
        # The function: Keras 2 has other names for some.
        config["activation"] = layer.activation
    return kind(**config | {"name": layer.name, "dtype": "float32"})
