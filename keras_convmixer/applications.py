"""The named networks as functions, with what `keras.applications` has too."""

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol, TypedDict, TypeVar, Unpack

import keras
import numpy as np

from keras_convmixer.convmixer import Activation, ConvMixer
from keras_convmixer.utils.types import StrPath
from keras_convmixer.variants import VARIANTS

T = TypeVar("T")


class Options(TypedDict, total=False):
    """The arguments of `ConvMixer`; a named network has defaults for some."""

    dim: int
    depth: int
    kernel_size: int
    patch_size: int
    activation: Activation
    include_top: bool
    include_preprocessing: bool
    weights: StrPath | None
    input_tensor: keras.KerasTensor | None
    input_shape: Sequence[int | None] | None
    pooling: str | None
    classes: int
    classifier_activation: Activation
    dropout: float
    depthwise_initializer: str
    name: str


class Builder(Protocol):
    """A named network as a function."""

    __name__: str
    __qualname__: str

    def __call__(self, **options: Unpack[Options]) -> keras.Model: ...


def _builder(name: str) -> Builder:
    """`ConvMixer` with a row of `VARIANTS` as its defaults."""
    variant = VARIANTS[name]
    defaults: dict[str, Any] = {
        **variant.arguments,
        "input_shape": (variant.image_size, variant.image_size, 3),
        "classes": variant.classes,
        "name": name,
    }

    def build(**options: Any) -> keras.Model:
        if not options.get("include_top", True):
            options = {"input_shape": None, **options}
        return ConvMixer(**{**defaults, **options})

    build.__name__ = build.__qualname__ = name.replace("convm", "ConvM")
    build.__doc__ = (
        f"`ConvMixer` of {variant.dim} channels and {variant.depth} blocks.\n\n"
        "Takes the arguments of `ConvMixer`, by name, with these defaults:\n"
        f"{defaults}\n\n"
        "Example:\n\n"
        f">>> from keras_convmixer import {build.__name__}\n"
        f">>> model = {build.__name__}()\n"
        ">>> model.output_shape\n"
        f"(None, {variant.classes})\n"
    )
    signature = inspect.signature(partial(ConvMixer, **defaults))
    # `inspect` looks for it; the type of a function does not have it.
    build.__signature__ = signature  # type: ignore[attr-defined]
    return build


ConvMixer_1536_20 = _builder("convmixer_1536_20")
ConvMixer_768_32 = _builder("convmixer_768_32")
ConvMixer_1024_20 = _builder("convmixer_1024_20")
ConvMixer_1024_16 = _builder("convmixer_1024_16")
ConvMixer_1024_12 = _builder("convmixer_1024_12")
ConvMixer_512_16 = _builder("convmixer_512_16")
ConvMixer_512_12 = _builder("convmixer_512_12")
ConvMixer_256_8 = _builder("convmixer_256_8")


def preprocess_input(x: T, data_format: str | None = None) -> T:
    """Returns `x` unchanged: the normalisation is inside the model.

    It is here so that code written for other `keras.applications` works. For
    a model with `include_preprocessing=False` use
    `keras.applications.imagenet_utils.preprocess_input(x, mode="torch")`.

    Args:
        x: Pixels, 0 to 255, `(batch, height, width, channels)`.
        data_format: Ignored.

    Example:

    >>> import numpy as np
    >>> from keras_convmixer import preprocess_input
    >>> pixels = np.full((1, 224, 224, 3), 255)
    >>> preprocess_input(pixels) is pixels
    True
    """
    return x


def decode_predictions(
    predictions: np.ndarray, top: int = 5
) -> list[list[tuple[str, str, np.floating]]]:
    """The most probable ImageNet classes of each image.

    Args:
        predictions: Array `(batch, 1000)` of an ImageNet model's outputs.
        top: How many classes for each image.

    Returns:
        For each image a list of (WordNet id, name, score), best first.

    Raises:
        ValueError: If the array has another shape.

    Example:

    >>> import numpy as np
    >>> from keras_convmixer import decode_predictions
    >>> probabilities = np.eye(1000)[[281]]
    >>> decode_predictions(probabilities, top=1)  # doctest: +SKIP
    [[('n02123045', 'tabby', 1.0)]]
    >>> decode_predictions(probabilities[:, :10])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: ...
    """
    return keras.applications.imagenet_utils.decode_predictions(
        predictions, top=top
    )
