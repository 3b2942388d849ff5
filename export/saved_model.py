"""TensorFlow SavedModel, for servers."""

from .interface import device_model, input_type, output_name


def write_saved_model(model, path):
    """Writes the model with the signature that the TFLite files have.

    `serving_default` takes `image`, uint8 `[batch, height, width, channels]`,
    and gives `probabilities`, float32 `[batch, classes]`. TensorFlow alone
    loads it.

    Args:
        model: A model that `ConvMixer` built, or one that has it inside.
        path: The folder to write.
    """
    serving = device_model(model, input_type(model), output_name(model))
    serving.export(path, format="tf_saved_model", verbose=False)
