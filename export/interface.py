"""The interface that every exported file has, so that apps can swap them."""

import keras


def device_model(model, pixels):
    """The model with a named input and a named output.

    Args:
        model: A model that `ConvMixer` built, or its inference form.
        pixels: Type of the input `image`.

    Returns:
        A `keras.Model` from `image` to a dict with one tensor.
    """
    image = keras.Input(model.input_shape[1:], dtype=pixels, name="image")
    output = model(keras.ops.cast(image, "float32"))
    return keras.Model(image, {output_name(model): output}, name=model.name)


def input_type(model):
    """ "uint8" for a model that normalises pixels itself, else "float32"."""
    names = {layer.name for layer in model.layers}
    return "uint8" if "normalization" in names else "float32"


def output_name(model):
    """What the model's output is."""
    head = model.layers[-1]
    if head.name != "head":
        return "features"
    is_probability = head.activation in (
        keras.activations.softmax,
        keras.activations.sigmoid,
    )
    return "probabilities" if is_probability else "logits"
