"""TensorFlow's converter to TFLite, on Keras' SavedModel."""

import tempfile

from keras_convmixer.utils.backend import check_tensorflow


def run_converter(
    model, operators="TFLITE_BUILTINS", float16_weights=False, **options
):
    """Converts a model to TFLite, for one image at a time.

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
    with tempfile.TemporaryDirectory() as folder:
        # Keras' export in the format "litert" does this from 3.15 on; before,
        # it took no signature.
        model.export(folder, verbose=False, input_signature=[signature])
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet[operators]]
        if float16_weights:
            converter.target_spec.supported_types = [tf.float16]
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        for name, value in options.items():
            setattr(converter, name, value)
        return converter.convert()
