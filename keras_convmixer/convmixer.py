"""ConvMixer, the network of "Patches Are All You Need?" (arXiv:2201.09792).

    stem    patches -> activation -> norm
    block   x + norm(activation(depthwise(x)))     mixes locations
            norm(activation(pointwise(x)))         mixes channels
    head    global average pooling -> dense

Constants and initialisers are PyTorch's, with which the paper's networks were
trained: Keras' own norm constants and glorot kernels slow the first epochs.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
from keras import layers

from keras_convmixer.architecture import IMAGENET_MEAN, IMAGENET_STD
from keras_convmixer.arguments import (
    check_head,
    check_parameters,
    check_trunk,
    image_input,
)
from keras_convmixer.initializers import CovarianceInitializer
from keras_convmixer.utils.types import StrPath

# Whatever Keras' image_data_format is: images are NHWC here.
CHANNELS_LAST = {"data_format": "channels_last"}

Activation = str | Callable[..., Any] | dict[str, Any] | None


def ConvMixer(
    dim: int,
    depth: int,
    kernel_size: int = 9,
    patch_size: int = 7,
    activation: Activation = "gelu",
    include_top: bool = True,
    include_preprocessing: bool = True,
    weights: StrPath | None = None,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Activation = "softmax",
    dropout: float = 0.0,
    depthwise_initializer: str = "uniform",
    name: str = "convmixer",
) -> keras.Model:
    """Builds a ConvMixer of any width, depth, kernel and patch size.

    Args:
        dim: Channels of every feature map.
        depth: Number of mixer blocks.
        kernel_size: Side of the depthwise kernels, odd or even.
        patch_size: Side of a patch, the stride of the stem. Height and width
            must be multiples of it; where they are None, the pixels of an
            incomplete last patch are dropped.
        activation: Anything `keras.activations.get` takes. The paper's is
            "gelu" (the exact, erf form).
        include_top: Whether to end with the classifier.
        include_preprocessing: Whether to begin with the normalisation by
            ImageNet's mean and deviation. With it the model takes pixels,
            0 to 255; without it, normalised images.
        weights: None (random), "imagenet" or "cifar10" for the networks that
            have them (see `list_variants`), or the path of a `.keras`
            or `.safetensors` file, ours or timm's. Another number of input
            channels adapts the stem.
        input_tensor: Optional Keras tensor to build on, for one ConvMixer; a
            model with several calls each of them, `model(image)`.
        input_shape: `(height, width, channels)`; height and width may be
            None. The default is the variant's image size, 224 x 224 x 3 for
            `ConvMixer` itself; without the top `(None, None, 3)`.
        pooling: Without the top: None for the last feature map
            `(batch, height / patch_size, width / patch_size, dim)`, "avg" or
            "max" for `(batch, dim)`.
        classes: Number of classes. If it differs from that of the weights,
            the head stays random and a warning says so.
        classifier_activation: Activation of the classifier; None for logits.
        dropout: Rate of dropout before the classifier.
        depthwise_initializer: "uniform", PyTorch's; or "covariance", for
            kernels that are smooth and wider the deeper they are, of a side
            of 31 at most: see `CovarianceInitializer`. Only the first values
            differ; the layers and their configuration are the same.
        name: Name of the model.

    A training step needs about a third less memory if the activations are
    computed again for the gradient: build the model under
    `keras.RematScope(mode="activations")`. Keras' other modes fail on norms.

    Returns:
        A `keras.Model`: float32 or uint8 `(batch, height, width, channels)`
        to float32 `(batch, classes)`.

    Raises:
        ValueError: If an argument is out of range, or the weights are not
            those of this network.
        OSError: If the hub that has the ImageNet weights is out of reach.

    Example:

    >>> from keras_convmixer import ConvMixer
    >>> model = ConvMixer(
    ...     dim=8, depth=2, kernel_size=3, patch_size=4, input_shape=(32, 32, 3)
    ... )
    >>> model.output_shape
    (None, 1000)
    """
    check_trunk(
        dim, depth, kernel_size, patch_size, activation, depthwise_initializer
    )
    check_head(pooling, classes, classifier_activation, dropout)
    image = image_input(
        input_tensor,
        input_shape,
        include_top,
        include_preprocessing,
        patch_size,
    )
    check_parameters(dim, depth, kernel_size, patch_size, image.shape[-1])

    x = image
    if include_preprocessing:
        x = input_normalization(image.shape[-1])(x)
    x = stem(x, dim, patch_size, activation)
    for index in range(depth):
        x = mixer_block(x, kernel_size, activation, name=f"block_{index}")

    if include_top:
        x = layers.GlobalAveragePooling2D(**CHANNELS_LAST, name="pool")(x)
        x = layers.Dropout(dropout, name="dropout")(x) if dropout else x
        x = head(x, classes, classifier_activation)
    elif pooling == "avg":
        x = layers.GlobalAveragePooling2D(**CHANNELS_LAST, name="pool")(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling2D(**CHANNELS_LAST, name="pool")(x)

    if input_tensor is not None:
        sources = keras.utils.get_source_inputs(input_tensor)
        # Keras warns when a model of a list is called with a tensor.
        image = sources[0] if len(sources) == 1 else sources
    model = keras.Model(image, x, name=name)
    if depthwise_initializer == "covariance":
        draw_with_covariance(model, depth)
    if weights is not None:
        from keras_convmixer.weights import load_weights

        load_weights(model, weights)
    return model


def draw_with_covariance(model: keras.Model, depth: int) -> None:
    """Draws the depthwise kernels anew.

    The layers keep Keras' own initialiser in their configuration, so that
    saved models are read without this package.
    """
    for index in range(depth):
        kernel = model.get_layer(f"block_{index}_depthwise").kernel
        draw = CovarianceInitializer(index / max(depth - 1, 1))
        kernel.assign(draw(kernel.shape, kernel.dtype))


def stem(
    x: keras.KerasTensor, dim: int, patch_size: int, activation: Activation
) -> keras.KerasTensor:
    """Patch embedding: a convolution whose stride is its kernel's side."""
    fan_in = patch_size**2 * x.shape[-1]
    x = layers.Conv2D(
        dim,
        patch_size,
        strides=patch_size,
        **CHANNELS_LAST,
        **pytorch_initializers(fan_in, "kernel"),
        name="stem_conv",
    )(x)
    return activation_norm(x, activation, name="stem")


def mixer_block(
    x: keras.KerasTensor, kernel_size: int, activation: Activation, name: str
) -> keras.KerasTensor:
    """Residual depthwise mixing of locations, then mixing of channels."""
    residual = x
    x = layers.DepthwiseConv2D(
        kernel_size,
        padding="same",
        **CHANNELS_LAST,
        **pytorch_initializers(kernel_size**2, "depthwise"),
        name=f"{name}_depthwise",
    )(x)
    x = activation_norm(x, activation, name=f"{name}_depthwise")
    x = layers.Add(name=f"{name}_add")([residual, x])

    dim = x.shape[-1]
    x = layers.Conv2D(
        dim,
        1,
        **CHANNELS_LAST,
        **pytorch_initializers(dim, "kernel"),
        name=f"{name}_pointwise",
    )(x)
    return activation_norm(x, activation, name=f"{name}_pointwise")


def activation_norm(
    x: keras.KerasTensor, activation: Activation, name: str
) -> keras.KerasTensor:
    """The norm stands after the activation, unlike in most networks."""
    x = layers.Activation(activation, name=f"{name}_activation")(x)
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, name=f"{name}_norm"
    )(x)


def head(
    x: keras.KerasTensor, classes: int, activation: Activation
) -> keras.KerasTensor:
    """The classifier; in float32 also under mixed precision."""
    return layers.Dense(
        classes,
        activation=activation,
        **pytorch_initializers(x.shape[-1], "kernel"),
        dtype="float32",
        name="head",
    )(x)


def input_normalization(channels: int) -> keras.layers.Layer:
    """Pixels 0..255 to the scale of the ImageNet weights.

    Channels beyond three repeat the colours' constants; a single one takes
    their mean.
    """
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    if channels == 1:
        mean, std = (sum(mean) / 3,), (sum(std) / 3,)
    return layers.Normalization(
        mean=[255 * mean[i % len(mean)] for i in range(channels)],
        variance=[(255 * std[i % len(std)]) ** 2 for i in range(channels)],
        dtype="float32",
        name="normalization",
    )


def pytorch_initializers(fan_in: int, kernel: str) -> dict[str, Any]:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)), for the kernel and the bias.

    `VarianceScaling` would not do: it takes the fan-in of a depthwise kernel
    to be `channels` times what it is.
    """
    bound = 1 / math.sqrt(fan_in)
    uniform = partial(keras.initializers.RandomUniform, -bound, bound)
    return {
        f"{kernel}_initializer": uniform(),
        "bias_initializer": uniform(),
    }
