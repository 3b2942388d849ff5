"""Loads a SavedModel from any path."""

import tempfile
from pathlib import Path

PATTERN = frozenset("*?[]\\")


def load_saved_model(path):
    """`tf.saved_model.load` of a path that may have characters of a pattern.

    TensorFlow looks for the variables by a pattern that begins with the path.
    A link without such characters takes its place.

    Args:
        path: The folder.
    """
    import tensorflow as tf

    if PATTERN.isdisjoint(str(path)):
        return tf.saved_model.load(str(path))
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "saved_model")
        link.symlink_to(Path(path).resolve(), target_is_directory=True)
        return tf.saved_model.load(str(link))
