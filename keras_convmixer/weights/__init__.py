"""Where weights come from, how they get into a model and out of it."""

from keras_convmixer.weights.load import find_file, load_weights
from keras_convmixer.weights.safetensors_files import (
    read_safetensors,
    save_weights,
)
from keras_convmixer.weights.timm_names import read_architecture

__all__ = [
    "find_file",
    "load_weights",
    "read_architecture",
    "read_safetensors",
    "save_weights",
]
