"""Which of Keras' backends train, answered without importing one of them."""

import json
import os
from pathlib import Path

from keras_convmixer.utils.checks import UserError

BACKENDS = ("tensorflow", "jax")


def check_backend(name):
    """Returns the name of a backend that trains.

    Raises:
        UserError: If it does not. Loaded beside TensorFlow, which reads the
            images, PyTorch would end the process.
    """
    if name not in BACKENDS:
        raise UserError(
            "Keras' backend (KERAS_BACKEND) must be one of "
            f"{', '.join(BACKENDS)} to train. Received: {name}"
        )
    return name


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
