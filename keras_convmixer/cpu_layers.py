"""A ConvMixer's layers, trained in less time by TensorFlow on a CPU.

They compute what the stock layers compute, and only take part in training: the
model that is saved has the stock ones. Times are of a training step of one
layer on two cores, 64 images, 16 x 16 x 128 values each:

                       stock   here
    gelu               15 ms   5 ms   the gradient in one formula
    norm               16 ms   3 ms   the fused kernel
    depthwise, 5 x 5   31 ms  26 ms   the kernel's gradient
    depthwise, 7 x 7   TODO
"""

import math

import keras
import tensorflow as tf
from keras import layers


def for_cpu(model):
    """A copy of a ConvMixer with these layers, and its weights."""
    replacements = {
        layers.BatchNormalization: FusedBatchNormalization,
        layers.DepthwiseConv2D: FastDepthwiseConv2D,
    }

    def replace(layer):
        config = layer.get_config()
        if type(layer) in replacements:
            return replacements[type(layer)].from_config(config)
        if config.get("activation") == "gelu":
            del config["activation"]
            return GELU(**config)
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=replace)
    copy.set_weights(model.get_weights())
    return copy


class GELU(layers.Layer):
    """x times the normal distribution's share below x."""

    def call(self, inputs):
        return gelu(inputs)


@tf.custom_gradient
def gelu(x):
    below = 0.5 * (1 + tf.math.erf(x * 0.5**0.5))

    def gradient(upstream):
        density = tf.exp(-0.5 * tf.square(x)) * (2 * math.pi) ** -0.5
        return upstream * (below + x * density)

    return x * below, gradient


class FusedBatchNormalization(layers.BatchNormalization):
    """Normalises by one kernel instead of several operators."""

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable):
            return super().call(inputs, training=training)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
        )
        # Of all values, as Keras has it; the kernel's is of a sample.
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), tf.float32)
        variance *= (count - 1) / count
        for average, value in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            average.assign(
                average * self.momentum + value * (1 - self.momentum)
            )
        return outputs


class FastDepthwiseConv2D(layers.DepthwiseConv2D):
    """Has the gradient of a large kernel computed as a convolution."""

    def call(self, inputs):
        kernel = tf.convert_to_tensor(self.kernel)
        return depthwise(inputs, kernel) + tf.convert_to_tensor(self.bias)


@tf.custom_gradient
def depthwise(images, kernel):
    strides = [1, 1, 1, 1]

    def gradients(upstream):
        of_images = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
            input_sizes=tf.shape(images),
            filter=kernel,
            out_backprop=upstream,
            strides=strides,
            padding="SAME",
        )
        return of_images, kernel_gradient(images, upstream, kernel.shape[0])

    return tf.nn.depthwise_conv2d(images, kernel, strides, "SAME"), gradients


def kernel_gradient(images, upstream, size):
    """The gradient of a depthwise kernel `[size, size, C, 1]`.

    It is itself a depthwise convolution, whose kernel is the upstream
    gradient, and whose channels are those of all images. For small kernels
    TensorFlow's operator is faster.

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
            strides=[1, 1, 1, 1],
            padding="SAME",
        )
    height, width, channels = images.shape[1:]
    border = [(size - 1) // 2, size // 2]
    padded = tf.pad(images, [[0, 0], border, border, [0, 0]])
    side_by_side = tf.reshape(
        tf.transpose(padded, (1, 2, 0, 3)),
        (1, height + size - 1, width + size - 1, -1),
    )
    kernel = tf.reshape(
        tf.transpose(upstream, (1, 2, 0, 3)), (height, width, -1, 1)
    )
    of_each = tf.nn.depthwise_conv2d(
        side_by_side, kernel, [1, 1, 1, 1], "VALID"
    )
    of_each = tf.reshape(of_each, (size, size, -1, channels))
    return tf.reduce_sum(of_each, axis=2)[..., None]
