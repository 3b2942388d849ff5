"""Keras models as Keras and TensorFlow convert them, with nothing added."""

import numpy as np

from export.converter import run_converter


def convert_stock(model, format, images=None):
    """Keras' export of a model to a TFLite file for one image at a time.

    Args:
        model: A Keras model of one input, with a fixed size.
        format: "float32", "float16", "dynamic" or "int8", the last one with
            integers for input and output too.
        images: For int8: what the ranges are taken from.

    Returns:
        The contents of the file.
    """
    import tensorflow as tf

    def representative_dataset():
        for image in images:
            yield [np.float32(image[None])]

    options = {}
    if format in ("dynamic", "int8"):
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if format == "int8":
        options["operators"] = "TFLITE_BUILTINS_INT8"
        options["representative_dataset"] = representative_dataset
        options["inference_input_type"] = tf.int8
        options["inference_output_type"] = tf.int8
    return run_converter(model, float16_weights=format == "float16", **options)
