"""Channels whose ranges are more alike, as eight bits want them."""

import keras
import numpy as np
import tensorflow as tf

from keras_convmixer.compat import operation_of, users_of

from .calibrate import split_at_last_feature_map

# All channels of a tensor have one step in the file, so channels of one range
# would lose least. But the pointwise kernel after it is divided by what a
# channel is scaled by, and each of its outputs has one step for all channels
# too: half of the way, in logarithms, was best for both together. (Divergence
# from the float networks that ship, on training images; .25 and .75 are worse.)
POWER = 0.5
LEAST = 1e-3  # Of the largest range: channels with less are scaled as this.
BATCH_SIZE = 16


def equalize_channels(inference, images):
    """Scales the channels of each block; the function stays the same.

    A block adds the outputs of two norms. A channel of both, and so of their
    sum, may have any scale, as the depthwise and the pointwise kernels after
    them are divided by it.

    Source: Nagel et al., "Data-Free Quantization Through Weight Equalization
    and Bias Correction" (2019), arXiv:1906.04721, section 4.1, with the ranges
    of activations in place of those of kernels.

    Args:
        inference: An inference model for integers, whose weights change.
        images: Representative images, `[N, height, width, channels]`.
    """
    trunk, _ = split_at_last_feature_map(inference)
    sums = [layer for layer in trunk if layer.name.endswith("_add")]
    ranges = channel_ranges(
        inference,
        [tensor for layer in sums for tensor in (*layer.input, layer.output)],
        images,
    )
    of_blocks = ranges.reshape(len(sums), 3, -1)
    for add, of_block in zip(sums, of_blocks, strict=True):
        largest = of_block.max(axis=1, keepdims=True)
        relative = of_block / np.maximum(largest, np.finfo("float32").tiny)
        scale_block(add, np.maximum(relative.max(axis=0), LEAST) ** -POWER)


def channel_ranges(inference, tensors, images):
    """The largest absolute value `(tensors, channels)` of each channel."""
    model = keras.Model(inference.input, tensors)

    @tf.function
    def of_batch(images):
        return tf.stack(
            [tf.reduce_max(tf.abs(x), (0, 1, 2)) for x in model(images)]
        )

    ranges = 0.0
    for first in range(0, len(images), BATCH_SIZE):
        batch = np.float32(images[first : first + BATCH_SIZE])
        ranges = np.maximum(ranges, of_batch(batch))
    return ranges


def scale_block(add, scale):
    """Scales the channels of a sum of two norms; divides what follows."""
    norms = [operation_of(tensor) for tensor in add.input]
    for norm in norms:
        kernel, bias = norm.get_weights()
        norm.set_weights([kernel * scale[:, None], bias * scale])
    for layer in convolutions_behind(norms[0], besides=add):
        kernel, *bias = layer.get_weights()
        # Of each channel there is one output; between tiles, one a pixel.
        pixels = layer.output.shape[-1] // len(scale)
        columns = kernel.reshape(-1, len(scale), pixels) / scale[:, None]
        layer.set_weights([columns.reshape(kernel.shape), *bias])
    for layer in convolutions_behind(add):
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel / scale[:, None], bias])


def convolutions_behind(layer, besides=None):
    """The first layers with weights that take a layer's output."""
    for user in users_of(layer):
        if user.weights:
            yield user
        elif user is not besides:
            yield from convolutions_behind(user)
