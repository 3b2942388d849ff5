"""The trained network as one that devices run fast: the same function.

A norm is `scale * x + shift` once trained, and all of this is linear, so:

    input norm       conv((x - m) / d; K, b) = conv(x; K / d, b - sum(K m / d))
    inner norms      a product and a sum; of the one after a depthwise
                     convolution only the product, its shift being added after
                     the pointwise convolution that follows:
                     conv(x + s; W, b) = conv(x; W, b + s W). For integers and
                     for GPUs depthwise convolutions of one tap: scale as the
                     kernel, shift as the bias, one operator instead of two
    last norm        dense(scale * x + shift; W, b)
                     = dense(x; scale W, b + shift W)
    large depthwise  the sum of small ones, see `depthwise_parts`

A norm can't move through the activation before it, nor its shift
through the zero padding of the depthwise convolution after it.

Two more changes leave the function as it is and only order the work. The stem
reads each row of patches as one long vector, so that its kernel is one
element wide. And a block runs on groups of channels: the neighbourhoods that a
depthwise convolution reads then stay in the first-level cache, the kernel that
a pointwise convolution reads again for every few pixels in the second.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from keras_convmixer.architecture import read_network
from keras_convmixer.inference.front import fold_front
from keras_convmixer.inference.gelu import erf_gelu, finite_gelu
from keras_convmixer.inference.layers import InferenceLayers
from keras_convmixer.inference.tail import build_tail
from keras_convmixer.utils.checks import check_choice

# How many groups are fastest, from so many channels on.
GROUPS = {1: 1, 512: 4, 1536: 8}


@dataclass(frozen=True)
class Arrangement:
    """How the operations of a network are arranged.

    Attributes:
        split_kernels: Whether large depthwise kernels are sums of parts, and
            the stem reads rows of patches (see `depthwise_parts`).
        split_channels: Whether blocks run on groups of channels.
        split_pointwise: Whether the pointwise convolutions do, too; not where
            each of them quantises its input.
        norm_is_layer: Whether a norm is a depthwise convolution of one tap,
            one operator with a scale for each channel, instead of a product
            and a sum.
        merge_shift: Whether the shift of the norm after a depthwise
            convolution is added after the pointwise convolution instead.
        tiles: Whether large depthwise convolutions are ordinary ones between
            tiles of the map where those are faster (see `depthwise_tiles`).
        gelu: What GELU is computed as; None for Keras' own.
    """

    split_kernels: bool = True
    split_channels: bool = False
    split_pointwise: bool = False
    norm_is_layer: bool = True
    merge_shift: bool = False
    tiles: bool = False
    gelu: Callable | None = None


ARRANGEMENTS = {
    "cpu": Arrangement(
        split_channels=True,
        split_pointwise=True,
        norm_is_layer=False,
        merge_shift=True,
    ),
    "cpu_dynamic": Arrangement(
        split_channels=True, norm_is_layer=False, merge_shift=True
    ),
    "integers": Arrangement(),
    "integers_tiled": Arrangement(tiles=True),
    "whole": Arrangement(split_kernels=False, merge_shift=True),
    "gpu": Arrangement(split_kernels=False, merge_shift=True, gelu=finite_gelu),
    "converters": Arrangement(
        split_kernels=False, merge_shift=True, gelu=erf_gelu
    ),
}


def reparameterize(
    model: keras.Model,
    arrangement: str = "cpu",
    channel_groups: int | None = None,
) -> keras.Model:
    """Builds the inference form of a ConvMixer.

    Args:
        model: A model that `ConvMixer` built, or one that has it inside:
            nested in functional and sequential models, with `Rescaling` and
            `Normalization` before it, which become a part of the stem, and
            layers of your own after it. Trained in any precision.
        arrangement: How its operations are arranged:
            "cpu": for float32 on CPUs, whose fast depthwise kernels are small:
            large kernels are sums of small ones, on groups of channels.
            "cpu_dynamic": the same with whole pointwise convolutions, for
            files in which each of them quantises its input.
            "integers": in one group, with norms that have a scale for each
            channel.
            "integers_tiled": the same, with large depthwise convolutions as
            ordinary ones between tiles of the map where those are faster;
            their kernels are some 40 times as large.
            "whole": nothing is in parts, for runtimes whose large depthwise
            kernels are fast.
            "gpu": the same, with a GELU that stays finite on GPUs.
            "converters": the same as "whole", with a GELU of operators that
            Core ML's and TensorFlow.js' converters know.
        channel_groups: Number of groups of channels for "cpu" and
            "cpu_dynamic"; None for the fastest.

    Returns:
        A functional model of stock layers, in float32, from the input to the
        output of `model`. Its outputs differ by float rounding only from
        those of `model(images, training=False)` and `predict`. Dropout,
        augmentation and other layers that act in training only are left out;
        of those before the ConvMixer a warning tells.

    Raises:
        ValueError: If there is something in the model that is not understood,
            with the name of the layer, or no such arrangement.

    Example:

    >>> import keras
    >>> from keras_convmixer import ConvMixer, reparameterize
    >>> model = ConvMixer(8, 2, 7, 4, input_shape=(32, 32, 3), classes=10)
    >>> inference = reparameterize(model)
    >>> images = keras.random.uniform((2, 32, 32, 3), maxval=255)
    >>> difference = keras.ops.abs(inference(images) - model(images))
    >>> bool(keras.ops.max(difference) < 1e-5)
    True
    """
    check_choice("arrangement", arrangement, ARRANGEMENTS)
    arranged = ARRANGEMENTS[arrangement]
    network = read_network(model)
    image_scale, image_shift, left_out = fold_front(network)
    if left_out:
        warnings.warn(
            "Left out of the inference model, since they act in training "
            f"only: {', '.join(left_out)}",
            stacklevel=2,
        )
    if not arranged.split_channels:
        channel_groups = 1
    if channel_groups is None:
        channel_groups = max(
            groups
            for least, groups in GROUPS.items()
            if network.dim >= least and network.dim % groups == 0
        )
    if network.dim % channel_groups:
        channel_groups = 1
    size = network.dim // channel_groups
    slices = [slice(i * size, (i + 1) * size) for i in range(channel_groups)]
    trunk = {role: step.operation for role, step in network.trunk.items()}
    build = InferenceLayers(network.activation, arranged)

    image = keras.Input(model.input_shape[1:], name="image")
    kernel, bias = float64_weights(trunk["stem_conv"])
    bias = bias + (kernel * image_shift[:, None]).sum((0, 1, 2))
    outputs = [build.stem(image, kernel * image_scale[:, None], bias)]
    norm = scale_and_shift(trunk["stem_norm"])
    for index in range(network.depth):
        name = f"block_{index}"
        depthwise, depthwise_bias = float64_weights(trunk[f"{name}_depthwise"])
        scale, shift = scale_and_shift(trunk[f"{name}_depthwise_norm"])
        kernel, bias = float64_weights(trunk[f"{name}_pointwise"])
        if arranged.merge_shift:
            bias, shift = bias + shift @ kernel[0, 0], None
        groups = build.split(outputs, channel_groups)
        for group, channels in enumerate(slices):
            groups[group] = build.mix_locations(
                groups[group],
                [term[channels] for term in norm],
                (depthwise[:, :, channels], depthwise_bias[channels]),
                (scale[channels], None if shift is None else shift[channels]),
                name=f"{name}_group_{group}",
            )
        x = build.concatenate(groups)
        outputs = [
            build.conv(
                x,
                kernel[..., channels],
                bias[channels],
                name=f"{name}_group_{group}_pointwise",
            )
            for group, channels in enumerate(
                slices if arranged.split_pointwise else [slice(None)]
            )
        ]
        norm = scale_and_shift(trunk[f"{name}_pointwise_norm"])

    x = build.activate(build.concatenate(outputs), "features_activation")
    output = build_tail(network, x, norm, build)
    return keras.Model(image, output, name=model.name)


def float64_weights(layer):
    return [weights.astype("float64") for weights in layer.get_weights()]


def scale_and_shift(norm):
    """What a norm does once trained: it gives `scale * x + shift`."""
    gamma, beta, mean, variance = float64_weights(norm)
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - scale * mean
