"""Quantisation-aware training: the inference model, rounded as int8 files are.

Fake quantisation (Jacob et al., arXiv:1712.05877) rounds a tensor to the
values that eight bits can hold (see `rounding`) and lets the gradient through.
The ranges of the activations stay as they were calibrated.

tensorflow-model-optimization's own scheme knows neither GELU nor a norm after
an activation; here every layer is wrapped with a configuration of ours.
"""

import keras

from .calibrate import split_at_last_feature_map
from .legacy_model import legacy_model, tf_keras, tfmot
from .rounding import round_activation, round_kernel

PREFIX = "quant_"


def quantization_aware(inference, ranges):
    """Builds the quantisation-aware form of a model.

    Args:
        inference: An inference model for integers.
        ranges: `{layer name: (least, largest)}`, for the layers whose output
            has eight bits in the file. All other outputs stay float; kernels
            are rounded up to the last feature map.

    Returns:
        A functional `tf_keras.Model` with the weights of `inference`.
    """
    trunk, _ = split_at_last_feature_map(inference)
    in_trunk = {layer.name for layer in trunk}

    def wrap(layer):
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            layer.trainable = False  # It keeps its statistics.
        has_kernel = layer.name in in_trunk and layer.weights
        if not has_kernel and layer.name not in ranges:
            return layer
        return tfmot.quantization.keras.QuantizeWrapperV2(
            layer, EightBits(ranges.get(layer.name)), name_prefix=PREFIX
        )

    return tf_keras.models.clone_model(
        legacy_model(inference), clone_function=wrap
    )


def trained_inference_model(aware, inference):
    """A copy of a float inference model with the weights of `aware`."""
    inference = keras.models.clone_model(inference)
    wrappers = {layer.name: layer for layer in aware.layers}
    for layer in inference.layers:
        if layer.weights:
            # A wrapper has the weights of its layer first, then its own.
            trained = wrappers.get(PREFIX + layer.name) or aware.get_layer(
                layer.name
            )
            layer.set_weights(trained.get_weights()[: len(layer.weights)])
    return inference


class EightBits(tfmot.quantization.keras.QuantizeConfig):
    """What is rounded of a layer: its kernel, if it has one, and its output.

    Args:
        output_range: `(least, largest)` of the output, or None to leave it.
    """

    def __init__(self, output_range=None):
        self.output_range = output_range

    def get_weights_and_quantizers(self, layer):
        name = kernel_name(layer)
        if name is None:
            return []
        kernel = getattr(layer, name)
        is_depthwise = name == "depthwise_kernel"
        channels = kernel.shape[-2 if is_depthwise else -1]
        return [(kernel, Rounding(round_kernel, channels))]

    def set_quantize_weights(self, layer, quantize_weights):
        for kernel in quantize_weights:
            setattr(layer, kernel_name(layer), kernel)

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        if self.output_range is None:
            return []
        return [Rounding(round_activation, *self.output_range)]

    def get_config(self):
        return {"output_range": self.output_range}


def kernel_name(layer):
    names = ("depthwise_kernel", "kernel")
    return next((name for name in names if hasattr(layer, name)), None)


class Rounding(tfmot.quantization.keras.quantizers.Quantizer):
    """Rounds a tensor by a function of `rounding` and its other arguments."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def build(self, tensor_shape, name, layer):
        return {}

    def __call__(self, inputs, training, weights, **kwargs):
        return self.function(inputs, *self.arguments)

    def get_config(self):
        return {"function": self.function, "arguments": self.arguments}
