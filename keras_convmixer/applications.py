"""The named networks as functions, with what `keras.applications` has too."""

import inspect
from functools import partial

import keras

from keras_convmixer.convmixer import ConvMixer
from keras_convmixer.variants import VARIANTS


def _builder(name):
    """`ConvMixer` with a row of `VARIANTS` as its defaults."""
    variant = VARIANTS[name]
    defaults = {
        **variant.arguments,
        "input_shape": (variant.image_size, variant.image_size, 3),
        "classes": variant.classes,
        "name": name,
    }

    def build(**options):
        if not options.get("include_top", True):
            options = {"input_shape": None, **options}
        return ConvMixer(**{**defaults, **options})

    build.__name__ = build.__qualname__ = name.replace("convm", "ConvM")
    build.__doc__ = (
        f"`ConvMixer` of {variant.dim} channels and {variant.depth} blocks.\n\n"
        "Takes the arguments of `ConvMixer`, by name, with these defaults:\n"
        f"{defaults}"
    )
    build.__signature__ = inspect.signature(partial(ConvMixer, **defaults))
    return build


ConvMixer_1536_20 = _builder("convmixer_1536_20")
ConvMixer_768_32 = _builder("convmixer_768_32")
ConvMixer_1024_20 = _builder("convmixer_1024_20")
ConvMixer_1024_16 = _builder("convmixer_1024_16")
ConvMixer_1024_12 = _builder("convmixer_1024_12")
ConvMixer_512_16 = _builder("convmixer_512_16")
ConvMixer_512_12 = _builder("convmixer_512_12")
ConvMixer_256_8 = _builder("convmixer_256_8")


def preprocess_input(x, data_format=None):
    """Returns `x` unchanged: the normalisation is inside the model.

    It is here so that code written for other `keras.applications` works. For
    a model with `include_preprocessing=False` use
    `keras.applications.imagenet_utils.preprocess_input(x, mode="torch")`.
    """
    return x


def decode_predictions(predictions, top=5):
    """The most probable ImageNet classes of each image.

    Args:
        predictions: Array `(batch, 1000)` of an ImageNet model's outputs.
        top: How many classes for each image.

    Returns:
        For each image a list of (WordNet id, name, score), best first.

    Raises:
        ValueError: If the array has another shape.
    """
    return keras.applications.imagenet_utils.decode_predictions(
        predictions, top=top
    )
