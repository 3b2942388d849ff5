"""Where weights come from, and how they get into a model."""

from keras_convmixer.weights.load import find_file, load_weights

__all__ = ["find_file", "load_weights"]
