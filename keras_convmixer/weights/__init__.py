"""Where weights come from, how they get into a model and out of it."""

from keras_convmixer.weights.load import find_file, load_weights
from keras_convmixer.weights.save import save_weights

__all__ = ["find_file", "load_weights", "save_weights"]
