"""The trained network as one that devices run fast: the same function.

A norm is `scale * x + shift` once trained, and all of this is linear, so:

    input norm       conv((x - m) / d; K, b) = conv(x; K / d, b - sum(K m / d))
    inner norms      depthwise convolutions of one tap: scale as the kernel,
                     shift as the bias, one operator instead of two
    last norm        dense(scale * x + shift; W, b)
                     = dense(x; scale W, b + shift W)
    large depthwise  the sum of small ones, see `depthwise_parts`

A norm can't move through the activation in front of it, nor its shift
through the zero padding of the depthwise convolution behind it.

Two more changes leave the function as it is and only order the work. The stem
reads each row of patches as one long vector, so that its kernel is one
element wide. And a block runs on groups of channels: the neighbourhoods that a
depthwise convolution reads then stay in the first-level cache, the kernel that
a pointwise convolution reads again for every few pixels in the second.
"""

import re

import keras
import numpy as np

from keras_convmixer.architecture import architecture
from keras_convmixer.inference.layers import InferenceLayers
from keras_convmixer.utils.checks import UserError

# How many groups are fastest, from so many channels on.
GROUPS = {1: 1, 512: 4, 1536: 8}


def reparameterize(
    model, channel_groups=None, whole_pointwise=False, backend=keras
):
    """Builds the inference form of a ConvMixer.

    Args:
        model: A model that `ConvMixer` built, with or without the top and the
            preprocessing, trained in any precision.
        channel_groups: In how many groups of channels the convolutions run;
            None for what is fastest in float32. Files that compute in integers
            want 1.
        whole_pointwise: Whether the pointwise convolutions run on all channels
            at once, as is faster where each of them quantises its input.
        backend: The module to build with, `keras` or `tf_keras`; with the
            latter `channel_groups` must be 1.

    Returns:
        A functional model of stock layers, in float32, from the input to the
        output of `model`. Its outputs differ by float rounding only.

    Raises:
        ValueError: If `ConvMixer` did not build the model.
    """
    trained = TrainedConvMixer(model)
    if channel_groups is None:
        channel_groups = max(
            groups
            for least, groups in GROUPS.items()
            if trained.dim >= least and trained.dim % groups == 0
        )
    if trained.dim % channel_groups:
        channel_groups = 1
    build = InferenceLayers(backend, trained.activation)

    image = backend.Input(model.input_shape[1:], name="image")
    outputs = [build.stem(image, *trained.stem())]
    norm = "stem_norm"
    for index in range(trained.depth):
        name = f"block_{index}"
        groups = build.split(outputs, channel_groups)
        for group, channels in enumerate(trained.groups(channel_groups)):
            groups[group] = build.mix_locations(
                groups[group],
                trained.norm(norm, channels),
                trained.depthwise(name, channels),
                trained.norm(f"{name}_depthwise_norm", channels),
                name=f"{name}_group_{group}",
            )
        x = build.concatenate(groups)
        kernel, bias = trained.pointwise(name)
        outputs = [
            build.pointwise(
                x,
                kernel[..., channels],
                bias[channels],
                name=f"{name}_group_{group}_pointwise",
            )
            for group, channels in enumerate(
                trained.groups(1 if whole_pointwise else channel_groups)
            )
        ]
        norm = f"{name}_pointwise_norm"

    x = build.activate(build.concatenate(outputs), "features_activation")
    if trained.has_top:
        x = build.head(build.pool(x), *trained.head(norm))
    else:
        x = build.scale(x, *trained.norm(norm), name="features_norm")
        if trained.pooling:
            x = build.pool(x, trained.pooling)
    return backend.Model(image, x, name=model.name)


class TrainedConvMixer:
    """The weights of a trained model, folded, in float64.

    Args:
        model: A model that `ConvMixer` built.
    """

    def __init__(self, model):
        self.layers = {layer.name: layer for layer in model.layers}
        known = re.compile(
            r"(image|normalization|stem_\w+|block_\d+_\w+|pool|dropout|head)"
        )
        foreign = [
            layer.name
            for layer in model.layers
            if not isinstance(layer, keras.layers.InputLayer)
            and not known.fullmatch(layer.name)
        ]
        if foreign:
            raise UserError(
                "model must be one that keras_convmixer.ConvMixer built, from "
                f"its input to its output. Received: {model.name!r} with the "
                f"layers {foreign}"
            )
        network = architecture(model)
        self.dim = network["dim"]
        self.depth = network["depth"]
        self.activation = network["activation"]
        self.has_top = "head" in self.layers
        pool = self.layers.get("pool")
        self.pooling = pool and type(pool).__name__

    def weights(self, name):
        return [w.astype("float64") for w in self.layers[name].get_weights()]

    def groups(self, count):
        """The channels of each group."""
        size = self.dim // count
        return [slice(i * size, (i + 1) * size) for i in range(count)]

    def norm(self, name, channels=slice(None)):
        """`(scale, shift)` of a norm: it gives `scale * x + shift`."""
        gamma, beta, mean, variance = self.weights(name)
        scale = gamma / np.sqrt(variance + self.layers[name].epsilon)
        return scale[channels], (beta - scale * mean)[channels]

    def stem(self):
        """Kernel and bias, for raw pixels if the model takes those."""
        kernel, bias = self.weights("stem_conv")
        if "normalization" in self.layers:
            normalization = self.layers["normalization"]
            mean = np.float64(normalization.mean).reshape(-1, 1)
            std = np.sqrt(np.float64(normalization.variance)).reshape(-1, 1)
            kernel = kernel / std
            bias = bias - (kernel * mean).sum((0, 1, 2))
        return kernel, bias

    def depthwise(self, name, channels):
        kernel, bias = self.weights(f"{name}_depthwise")
        return kernel[:, :, channels], bias[channels]

    def pointwise(self, name):
        return self.weights(f"{name}_pointwise")

    def head(self, norm):
        """Kernel and bias with the last norm in them, and the activation."""
        kernel, bias = self.weights("head")
        scale, shift = self.norm(norm)
        activation = self.layers["head"].get_config()["activation"]
        return scale[:, None] * kernel, bias + shift @ kernel, activation
