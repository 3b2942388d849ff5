"""Keras' configuration, looked at without importing a backend."""

import importlib.util
import json
import os
from pathlib import Path

from keras_convmixer.utils.checks import UserError, check_choice

BACKENDS = ("tensorflow", "jax", "torch")
# Loaded beside TensorFlow, which reads the images, PyTorch would end the
# process.
TRAINING = ("tensorflow", "jax")


def check_training_backend(name=None):
    """Returns a backend's name, by default that of the configured one.

    Raises:
        UserError: If it does not train.
    """
    name = name or configured_backend()
    if name not in TRAINING:
        raise UserError(
            "Keras' backend (KERAS_BACKEND) must be one of "
            f"{', '.join(TRAINING)} to train. Received: {name}"
        )
    return name


def check_tensorflow(what):
    """A UserError if Keras runs on another backend; `what` needs TensorFlow."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"{what} needs Keras on TensorFlow (KERAS_BACKEND=tensorflow). "
            f"Received: {keras.backend.backend()}"
        )


def check_configuration():
    """A UserError for a backend or `keras.json` that Keras or we can't use."""
    backend = configured_backend()
    check_choice("Keras' backend (KERAS_BACKEND)", backend, BACKENDS)
    if importlib.util.find_spec(backend) is None:
        raise UserError(
            "Keras' backend (KERAS_BACKEND) must be installed. Received: "
            f"{backend}"
        )
    path, config = config_path(), configuration()
    epsilon = config.get("epsilon", 1e-7)
    if not isinstance(epsilon, float):
        raise UserError(
            f"epsilon in {path} must be a float. Received: {epsilon!r}"
        )
    for name, allowed in (
        ("floatx", ("float32",)),
        ("image_data_format", ("channels_last", "channels_first")),
    ):
        value = config.get(name, allowed[0])
        check_choice(f"{name} in {path}", value, allowed)


def configured_backend():
    """The backend that Keras will take when it is imported."""
    if name := os.environ.get("KERAS_BACKEND"):
        return name
    return configuration().get("backend", BACKENDS[0])


def config_path():
    """Where Keras looks for its `keras.json`; it works without a home."""
    if folder := os.environ.get("KERAS_HOME"):
        return Path(folder, "keras.json").expanduser()
    home = os.path.expanduser("~")
    home = home if os.access(home, os.W_OK) else "/tmp"
    return Path(home, ".keras", "keras.json")


def configuration():
    """The contents of `keras.json`, a dict.

    Raises:
        UserError: If they are something else.
    """
    try:
        config = json.loads(config_path().read_text())
    except (OSError, ValueError):  # As Keras, which then has its defaults.
        return {}
    if not isinstance(config, dict):
        raise UserError(f"{config_path()} must be a dict. Received: {config!r}")
    return config
