"""Ranges and biases that bring eight bits closest to the float network."""

import collections

import keras
import numpy as np

VALUES_AT_A_TIME = 2**25  # Of a tensor, of all images together: 128 MiB.
BATCH = 16
KEPT = 0.99999  # Of a tensor's values, on either side: the rest is cut off.
FLAT = 1e-4  # Of an activation's range: what changes less is constant.


def fit_to_eight_bits(inference, ranges, images):
    """Cuts ranges, and shifts biases so that each channel keeps its mean.

    Layer after layer, the network is computed exactly and as the int8 file
    does, on the same images. What a channel's mean differs by goes into the
    bias, so that the layers behind begin with the right mean. A few values
    that are far from all others would make every step larger; without them
    the range is finer, and the bias makes up for what they add on average.

    Source: Nagel et al., "Data-Free Quantization Through Weight Equalization
    and Bias Correction" (2019), arXiv:1906.04721, section 4.2, with images.

    Args:
        inference: An inference model with one group of channels, whose biases
            change.
        ranges: `{layer name: (least, largest)}` of the outputs that have
            eight bits, zero included.
        images: Representative images, `[N, height, width, channels]`.

    Returns:
        The new ranges.
    """
    ranges = dict(ranges)
    layers = inference.layers[1:]
    largest = max(np.prod(layer.output.shape[1:]) for layer in layers)
    images = np.float32(images[: max(1, VALUES_AT_A_TIME // int(largest))])
    exact = {inference.input.name: images}
    rounded = dict(exact)
    activations = {
        layer.input.name: layer
        for layer in layers
        if isinstance(layer, keras.layers.Activation)
    }
    uses = collections.Counter(
        name for layer in layers for name in inputs_of(layer)
    )
    for layer in layers:
        names = inputs_of(layer)
        if layer.name == "head":
            kernel, bias = layer.get_weights()
            difference = (exact[names[0]] - rounded[names[0]]).mean(0)
            layer.set_weights([kernel, bias + difference @ kernel])
            break
        exactly = compute(layer, [exact[name] for name in names])
        roughly = compute(
            with_rounded_kernel(layer), [rounded[name] for name in names]
        )
        if len(layer.weights) == 2:
            kernel, bias = layer.get_weights()
            shift = (exactly - roughly).mean((0, 1, 2))
            layer.set_weights([kernel, bias + shift])
            roughly += shift
        if layer.name in ranges:
            limits = without_extremes(exactly, *ranges[layer.name])
            if layer.output.name in activations:
                activation = activations[layer.output.name]
                limits = without_flat_ends(activation, *limits)
            roughly = rounded_to(*limits, roughly)
            ranges[layer.name] = limits
        exact[layer.output.name] = exactly
        rounded[layer.output.name] = roughly
        uses.subtract(names)
        for name in names:
            if not uses[name]:
                exact.pop(name, None)
                rounded.pop(name, None)
    return ranges


def inputs_of(layer):
    """The names of its input tensors."""
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    return [tensor.name for tensor in inputs]


def compute(layer, inputs):
    """A layer's output, a few images at a time."""
    batches = []
    for first in range(0, len(inputs[0]), BATCH):
        batch = [values[first : first + BATCH] for values in inputs]
        batches.append(np.asarray(layer(batch if len(batch) > 1 else batch[0])))
    return np.concatenate(batches)


def with_rounded_kernel(layer):
    """A copy of a convolution, with a kernel of 255 values for each channel."""
    if not layer.weights:
        return layer
    copy = type(layer).from_config(layer.get_config())
    copy.build(layer.input.shape)
    kernel, *bias = layer.get_weights()
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    axes = (0, 1, 3) if is_depthwise else (0, 1, 2)
    step = np.abs(kernel).max(axes, keepdims=True) / 127
    step = np.where(step > 0, step, 1)
    copy.set_weights([np.round(kernel / step) * step, *bias])
    return copy


def rounded_to(least, largest, values):
    """The nearest of 256 values from the least to the largest."""
    step = max(largest - least, 1e-9) / 255
    zero = np.round(-least / step)
    return (np.clip(np.round(values / step) + zero, 0, 255) - zero) * step


def without_extremes(values, least, largest):
    """A range without the few values that are far from all others."""
    sample = values.ravel()[:: max(1, values.size // 2**21)]
    low, high = np.quantile(sample, [1 - KEPT, KEPT])
    return max(least, min(low, 0.0)), min(largest, max(high, 0.0))


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
