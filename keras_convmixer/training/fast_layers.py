"""What takes the place of a ConvMixer's layers while TensorFlow trains it.

They compute what the stock layers compute, on one CPU in less time, on several
replicas and in 16 bits with less rounding. The model that is saved has the
stock ones.

Under mixed precision one CPU multiplies 16-bit numbers in pointwise
convolutions, where most of the work is. All else is float32, which is faster on
a CPU: it has no other instructions for 16 bits.
"""

import keras
import tensorflow as tf
from keras import layers

from keras_convmixer.compat import operation_of
from keras_convmixer.training.depthwise import (
    FastDepthwiseConv2D,
    SwitchableDepthwiseConv2D,
    choose_way,
)
from keras_convmixer.training.gelu_norm import gelu, gelu_norm, norm


def for_training(model, replicas, one_cpu, xla=False):
    """A copy of a ConvMixer to be trained, with its weights.

    Args:
        model: A model that `ConvMixer` built.
        replicas: Their number, on all machines.
        one_cpu: Whether there is but one, on a CPU, without XLA.
        xla: Whether XLA compiles the training step.
    """
    if one_cpu:
        gelu_in_norm = each_norm_follows_gelu(model)
        replacements = {
            layers.BatchNormalization: (
                GeluNormalization if gelu_in_norm else FusedBatchNormalization
            ),
            layers.DepthwiseConv2D: FastDepthwiseConv2D,
        }
    else:
        replacements = {layers.DepthwiseConv2D: SwitchableDepthwiseConv2D}
        if replicas > 1 and not xla:
            replacements[layers.BatchNormalization] = SharedBatchNormalization

    def replace(layer):
        new = replacements.get(type(layer), type(layer))
        config = layer.get_config()
        if one_cpu and gelu_in_norm and is_gelu(layer):
            config["activation"] = "linear"  # The norm that follows does it.
        if one_cpu and is_mixed(layer) and not is_pointwise(layer):
            config["dtype"] = "float32"
        return new.from_config(config)

    copy = keras.models.clone_model(model, clone_function=replace)
    copy.set_weights(model.get_weights())
    choose_way(copy, "stock" if xla else None)
    return copy


def each_norm_follows_gelu(model):
    """Whether GELUs stand before norms and nowhere else, as in a ConvMixer."""
    norms = [
        layer
        for layer in model.layers
        if type(layer) is layers.BatchNormalization
    ]
    before = {operation_of(norm.input).name for norm in norms}
    gelus = {layer.name for layer in model.layers if is_gelu(layer)}
    return bool(norms) and before == gelus


def is_mixed(layer):
    # A bare operation, such as `ops.pad`, has no policy.
    return isinstance(layer, layers.Layer) and (
        layer.dtype_policy.name.startswith("mixed_")
    )


def is_gelu(layer):
    return (
        type(layer) is layers.Activation
        and layer.activation is keras.activations.gelu
    )


def is_pointwise(layer):
    return type(layer) is layers.Conv2D and layer.kernel_size == (1, 1)


class SharedBatchNormalization(layers.BatchNormalization):
    """Normalises by the statistics of the whole batch, on all replicas.

    Keras' `synchronized=True` takes the variance as mean square less squared
    mean. Where a channel varies little, that rounds gradients by a hundredth.
    """

    def _moments(self, inputs, mask):
        def mean_of(values):
            local = tf.reduce_mean(values, self._reduction_axes)
            replica = tf.distribute.get_replica_context()
            return replica.all_reduce(tf.distribute.ReduceOp.MEAN, local)

        mean = mean_of(inputs)
        return mean, mean_of(tf.square(inputs - mean))


class FusedBatchNormalization(layers.BatchNormalization):
    """Normalises by one kernel instead of several operators."""

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable):
            return super().call(inputs, training=training)
        outputs, mean, variance = self.normalized(inputs)
        for average, value in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            average.assign(
                average * self.momentum + value * (1 - self.momentum)
            )
        return outputs

    def normalized(self, inputs):
        return norm(inputs, self.gamma, self.beta, self.epsilon)


class GeluNormalization(FusedBatchNormalization):
    """Applies GELU first."""

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable):
            inputs = gelu(inputs)
        return super().call(inputs, training=training)

    def normalized(self, inputs):
        gamma, beta = map(tf.convert_to_tensor, (self.gamma, self.beta))
        return gelu_norm(inputs, gamma, beta, self.epsilon)
