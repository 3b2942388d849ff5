"""Keras models as Keras and TensorFlow convert them, with nothing added."""

import tempfile
from pathlib import Path

import numpy as np


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

    image = model.inputs[0]
    operators, options = "TFLITE_BUILTINS", {}
    types = []
    if format != "float32":
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if format == "float16":
        types = [tf.float16]
    if format == "int8":
        operators = "TFLITE_BUILTINS_INT8"
        options["representative_dataset"] = representative_dataset
        options["inference_input_type"] = tf.int8
        options["inference_output_type"] = tf.int8
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tflite")
        model.export(
            path,
            format="litert",
            verbose=False,
            input_signature=[
                tf.TensorSpec((1, *image.shape[1:]), image.dtype, image.name)
            ],
            target_spec={
                "supported_ops": [tf.lite.OpsSet[operators]],
                "supported_types": types,
            },
            **options,
        )
        return path.read_bytes()
