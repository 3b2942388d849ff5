"""Ranges and weights that bring eight bits closest to the float network."""

import collections
import math

import keras
import numpy as np

from keras_convmixer.compat import users_of

from .calibrate import rounded_layers, split_at_last_feature_map
from .equalize import equalize_channels
from .rounding import round_activation, round_kernel

VALUES_AT_A_TIME = 2**25  # Of a tensor, of all images together: 128 MiB.
VALUES_IN_A_BATCH = 2**22  # Of what a layer takes: 16 MiB.
KEPT = 0.99999  # Of a tensor's values, on either side: the rest is cut off.
FLAT = 1e-4  # Of an activation's range: what changes less is constant.
# Of the mean square of a convolution's inputs: directions in which they vary
# less are left to the kernel as it was.
RIDGE = 1e-3
LINEAR_LAYERS = (
    keras.layers.Dense,
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
)


def fit_to_eight_bits(inference, images):
    """Chooses ranges, and changes weights to make up for what rounding changes.

    After `equalize_channels`, layer after layer, the network is computed
    exactly and as the int8 file does, on the same images. Pointwise
    convolutions see all channels of a pixel, rounded: their kernels become
    those that bring them closest to the exact outputs. What a channel's mean
    still differs by goes into the bias, so that the layers after it begin with
    the right mean. A few values that are far from all others would make every
    step larger; without them the range is finer, and the weights make up for
    what they add on average.

    Source: Nagel et al., "Data-Free Quantization Through Weight Equalization
    and Bias Correction" (2019), arXiv:1906.04721, section 4.2, with images.

    Args:
        inference: An inference model for integers, whose weights change.
        images: Representative images, `[N, height, width, channels]`.

    Returns:
        `{layer name: (least, largest)}` of the outputs that have eight bits,
        zero included.
    """
    equalize_channels(inference, images)
    ranges = {}
    rounded_names = set(rounded_layers(inference))
    trunk, tail = split_at_last_feature_map(inference)
    images = np.float32(images[: images_at_a_time(trunk)])
    # The values of each tensor, until the last layer that takes it has run.
    image = inference.input.name
    exact, rounded = {image: images}, {image: images}
    waiting = collections.Counter(
        name for layer in trunk for name in input_names(layer)
    )
    for layer in trunk:
        names = input_names(layer)
        exactly = run(layer, [exact[name] for name in names])
        inputs = [rounded[name] for name in names]
        waiting.subtract(names)
        for name in set(names):
            if not waiting[name]:
                del exact[name], rounded[name]
        if is_pointwise(layer):
            fit_kernel(layer, *inputs, exactly)
        roughly = run(with_rounded_kernel(layer), inputs)
        if len(layer.weights) == 2:
            shift = (exactly - roughly).mean((0, 1, 2))
            shift_bias(layer, shift)
            roughly += shift
        if layer.name in rounded_names:
            least, largest = range_without_extremes(exactly)
            for user in users_of(layer):
                if isinstance(user, keras.layers.Activation):
                    least, largest = without_flat_ends(user, least, largest)
            roughly = round_activation(roughly, least, largest).numpy()
            ranges[layer.name] = least, largest
        exact[layer.output.name] = exactly
        rounded[layer.output.name] = roughly
    correct_first_bias(tail, layer.output, exactly, roughly)
    return ranges


def input_names(layer):
    """The names of its input tensors."""
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    return [tensor.name for tensor in inputs]


def images_at_a_time(layers):
    largest = max(math.prod(layer.output.shape[1:]) for layer in layers)
    return max(1, VALUES_AT_A_TIME // largest)


def run(layer, inputs):
    """A layer's output for all images, a few at a time."""
    size = max(1, VALUES_IN_A_BATCH // inputs[0][0].size)
    batches = []
    for first in range(0, len(inputs[0]), size):
        batch = [values[first : first + size] for values in inputs]
        batches.append(np.asarray(layer(batch if len(batch) > 1 else batch[0])))
    return np.concatenate(batches)


def with_rounded_kernel(layer):
    """A copy of a convolution, with its kernel as the file has it."""
    if not layer.weights:
        return layer
    copy = type(layer).from_config(layer.get_config())
    copy.build(layer.input.shape)
    kernel, *bias = layer.get_weights()
    copy.set_weights([round_kernel(kernel, layer.output.shape[-1]), *bias])
    return copy


def is_pointwise(layer):
    """Whether a layer mixes the channels of each pixel, and nothing else."""
    return isinstance(layer, keras.layers.Conv2D) and (
        layer.kernel_size == layer.strides == (1, 1) and layer.groups == 1
    )


def fit_kernel(layer, inputs, outputs):
    """Brings a pointwise convolution of rounded inputs to its exact outputs.

    What is missing of the outputs is fitted by least squares, with a ridge.
    """
    missing = flat_and_centred(outputs - run(layer, [inputs]))
    ridge = RIDGE * np.square(inputs).sum() / inputs.shape[-1]
    inputs = flat_and_centred(inputs)
    products = inputs.T @ inputs
    # Of inputs that are all zero there is nothing to be learned.
    ridge = max(ridge, np.finfo("float32").tiny)
    products[np.diag_indices_from(products)] += ridge
    change = np.linalg.solve(products, inputs.T @ missing)
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel + change, bias])


def flat_and_centred(values):
    """Channels as columns `[pixels, channels]`, each with the mean zero."""
    values = values.reshape(-1, values.shape[-1])
    return values - values.mean(0)


def shift_bias(layer, shift):
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel, bias + shift])


def correct_first_bias(tail, features, exactly, roughly):
    """Shifts the first bias after the last feature map.

    What follows has exact means again, as nothing is rounded there.

    Args:
        tail: The layers after the last feature map.
        features: The Keras tensor of the last feature map.
        exactly, roughly: Its values.
    """
    linear_layers = (
        layer
        for layer in tail
        if isinstance(layer, LINEAR_LAYERS) and layer.use_bias
    )
    layer = next(linear_layers, None)
    if layer is None:
        return
    linear = type(layer).from_config(
        {**layer.get_config(), "activation": "linear"}
    )
    rest = keras.Model(features, linear(layer.input))
    linear.set_weights(layer.get_weights())
    difference = run(rest, [exactly]) - run(rest, [roughly])
    shift_bias(layer, difference.mean(tuple(range(difference.ndim - 1))))


def range_without_extremes(values):
    """The range of all but the few values that are far from the others."""
    sample = values.ravel()[:: max(1, values.size // 2**21)]
    low, high = np.quantile(sample, [1 - KEPT, KEPT])
    return min(low.item(), 0.0), max(high.item(), 0.0)


def without_flat_ends(activation, least, largest):
    """The part of a range, with zero, where an activation changes."""
    values = np.linspace(least, largest, 2**14, dtype="float32")
    results = np.asarray(activation(values))
    flat = FLAT * np.ptp(results)
    (low,) = np.nonzero(np.abs(results - results[0]) > flat)
    (high,) = np.nonzero(np.abs(results - results[-1]) > flat)
    if flat:
        least = min(values[low[0] - 1].item(), 0.0)
        largest = max(values[high[-1] + 1].item(), 0.0)
    return least, largest
