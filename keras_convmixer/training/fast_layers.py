"""What takes the place of a ConvMixer's layers while TensorFlow trains it.

They compute what the stock layers compute, on one CPU in less time, on several
replicas and in 16 bits with less rounding. The model that is saved has the
stock ones.

Under mixed precision one CPU multiplies 16-bit numbers in pointwise
convolutions, where most of the work is. All else is float32, which is faster on
a CPU: it has no other instructions for 16 bits.
"""

import math

import keras
import tensorflow as tf
from keras import layers

from keras_convmixer.compat import operation_of
from keras_convmixer.training.depthwise import (
    PLACE,
    SwitchableDepthwiseConv2D,
    choose_exact_kernels,
)
from keras_convmixer.training.gelu_norm import (
    gelu,
    gelu_norm,
    norm,
    over_positions,
)

IMAGES_AT_ONCE = 8


def for_training(model, replicas, one_cpu, xla=False):
    """A copy of a ConvMixer to be trained, with its weights.

    Args:
        model: A model that `ConvMixer` built.
        replicas: Their number, on all machines.
        one_cpu: Whether there is but one, on a CPU, without XLA.
        xla: Whether XLA compiles the training step.
    """
    gelu_in_norm = one_cpu and each_norm_follows_gelu(model)
    if one_cpu:
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
        if gelu_in_norm and is_gelu(layer):
            config["activation"] = "linear"  # The norm that follows does it.
        if one_cpu and is_mixed(layer) and not is_pointwise(layer):
            config["dtype"] = "float32"
        return new.from_config(config)

    copy = keras.models.clone_model(model, clone_function=replace)
    copy.set_weights(model.get_weights())
    if not xla:
        choose_exact_kernels(copy)
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


class FastDepthwiseConv2D(layers.DepthwiseConv2D):
    """Has the gradient of a large kernel computed as a convolution."""

    def call(self, inputs):
        kernel, bias = map(tf.convert_to_tensor, (self.kernel, self.bias))
        return depthwise(inputs, kernel, bias)


@tf.custom_gradient
def depthwise(images, kernel, bias):
    def gradients(upstream):
        size = kernel.shape[0]
        if size % 2:  # The border is the same on all sides.
            turned = tf.reverse(kernel, axis=[0, 1])
            of_images = tf.nn.depthwise_conv2d(upstream, turned, **PLACE)
        else:
            of_images = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(images),
                filter=kernel,
                out_backprop=upstream,
                **PLACE,
            )
        of_kernel = kernel_gradient(images, upstream, size)
        return of_images, of_kernel, over_positions(upstream)

    result = tf.nn.depthwise_conv2d(images, kernel, **PLACE)
    return tf.nn.bias_add(result, bias), gradients


def kernel_gradient(images, upstream, size):
    """The gradient of a depthwise kernel `[size, size, C, 1]`.

    It is the sum of those of a few images at a time, whose features stay in
    the processor's cache. For small kernels TensorFlow's operator is faster.

    Args:
        images: `[N, H, W, C]`, what was convolved.
        upstream: `[N, H, W, C]`, the gradient of the result.
        size: The kernel's side.
    """
    if size < 5:
        return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=images,
            filter_sizes=[size, size, images.shape[-1], 1],
            out_backprop=upstream,
            **PLACE,
        )
    count = images.shape[0] or 1
    parts = count // math.gcd(count, IMAGES_AT_ONCE)
    return tf.add_n(
        [
            kernel_gradient_of_part(*part, size)
            for part in zip(
                tf.split(images, parts), tf.split(upstream, parts), strict=True
            )
        ]
    )


def kernel_gradient_of_part(images, upstream, size):
    """A depthwise convolution of the images, one below the other.

    Its kernel is the upstream gradient, laid out likewise. Rows of zeros
    between them keep each image to itself.
    """
    before, after = (size - 1) // 2, size // 2
    columns, channels = images.shape[2:]

    def in_one(features):
        apart = tf.pad(features, [[0, 0], [0, after], [0, 0], [0, 0]])
        return tf.reshape(apart, (1, -1, columns, channels))

    border = [before, after]
    result = tf.nn.depthwise_conv2d(
        in_one(images),
        tf.reshape(in_one(upstream), (-1, columns, channels, 1)),
        strides=[1, 1, 1, 1],
        padding=[[0, 0], border, border, [0, 0]],
    )
    return tf.reshape(result, (size, size, channels, 1))
