"""TensorFlow's converter to TFLite, as Keras runs it."""

import tempfile
from pathlib import Path

from keras_convmixer.utils.backend import check_tensorflow


def run_converter(
    model, operators="TFLITE_BUILTINS", float16_weights=False, **options
):
    """Keras' export of a model to TFLite, for one image at a time.

    Args:
        model: A Keras model of one input, with a fixed size.
        operators: Name of the `tf.lite.OpsSet` it may use.
        float16_weights: Whether to store the weights in half the size.
        options: Attributes of the TFLite converter.

    Returns:
        The contents of the file.
    """
    import tensorflow as tf

    check_tensorflow("an export to TFLite")
    image = model.inputs[0]
    signature = tf.TensorSpec((1, *image.shape[1:]), image.dtype, image.name)
    target = {"supported_ops": [tf.lite.OpsSet[operators]]}
    if float16_weights:
        target["supported_types"] = [tf.float16]
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tflite")
        model.export(
            path,
            format="litert",
            verbose=False,
            input_signature=[signature],
            target_spec=target,
            **options,
        )
        return path.read_bytes()
