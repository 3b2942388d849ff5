"""Keras' backend, looked at without importing one of them."""

import importlib.util
import json
import os
from pathlib import Path

from keras_convmixer.utils.checks import UserError, check_choice

BACKENDS = ("tensorflow", "jax", "torch")
# Loaded beside TensorFlow, which reads the images, PyTorch would end the
# process.
TRAINING = ("tensorflow", "jax")


def check_training_backend(name):
    """Returns the name of a backend that trains.

    Raises:
        UserError: If it does not.
    """
    if name not in TRAINING:
        raise UserError(
            "Keras' backend (KERAS_BACKEND) must be one of "
            f"{', '.join(TRAINING)} to train. Received: {name}"
        )
    return name


def check_importable_backend():
    """An error for a backend that Keras does not know, or that is missing."""
    name = configured_backend()
    check_choice("Keras' backend (KERAS_BACKEND)", name, BACKENDS)
    if importlib.util.find_spec(name) is None:
        raise UserError(
            "Keras' backend (KERAS_BACKEND) must be installed. Received: "
            f"{name}"
        )


def configured_backend():
    """The backend that Keras will take when it is imported."""
    if name := os.environ.get("KERAS_BACKEND"):
        return name
    folder = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        config = json.loads(Path(folder, "keras.json").read_text())
        return config.get("backend", BACKENDS[0])
    except (OSError, ValueError, AttributeError):
        return BACKENDS[0]
