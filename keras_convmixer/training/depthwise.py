"""Depthwise convolutions in a training: on a GPU, and on one CPU.

On a GPU XLA has its own. Without XLA TensorFlow asks cuDNN in 16 bits where the
kernel is square with a side of `CUDNN_SIZES`. Other sides take a kernel of its
own, whose gradient of the filter adds thousands of numbers in 16 bits.
"""

import math

import tensorflow as tf
from keras import layers

from keras_convmixer.training.gelu_norm import over_positions
from keras_convmixer.utils.checks import check_choice

CUDNN_SIZES = (1, 3, 5, 7)
# What TensorFlow does by itself; the same in float32, whatever the numbers
# before and after it.
WAYS = ("stock", "float32")
STRIDES = [1, 1, 1, 1]
IMAGES_AT_ONCE = 8


class SwitchableDepthwiseConv2D(layers.DepthwiseConv2D):
    """A ConvMixer's depthwise convolution, computed in one of `WAYS`."""

    way = "stock"

    def call(self, inputs):
        if self.way == "stock":
            return super().call(inputs)
        kernel, bias = map(tf.convert_to_tensor, (self.kernel, self.bias))
        return tf.nn.bias_add(in_float32(inputs, kernel), bias)


def choose_way(model, way=None):
    """Sets how the depthwise convolutions of a model are computed.

    It holds for steps that are traced from then on.

    Args:
        model: A model that `for_training` returned.
        way: One of `WAYS`; None for what adds in 32 bits without XLA.
    """
    if way is not None:
        check_choice("way", way, WAYS)
    for layer in model.layers:
        if isinstance(layer, SwitchableDepthwiseConv2D):
            is_wide = layer.compute_dtype == "float32"
            is_exact = is_wide or layer.kernel_size[0] in CUDNN_SIZES
            layer.way = way or ("stock" if is_exact else "float32")


def in_float32(images, kernel):
    """A convolution whose sums, those of its gradients too, are float32."""
    result = tf.nn.depthwise_conv2d(
        tf.cast(images, tf.float32),
        tf.cast(kernel, tf.float32),
        STRIDES,
        "SAME",
    )
    return tf.cast(result, images.dtype)


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
            of_images = tf.nn.depthwise_conv2d(
                upstream, turned, STRIDES, "SAME"
            )
        else:
            of_images = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(images),
                filter=kernel,
                out_backprop=upstream,
                strides=STRIDES,
                padding="SAME",
            )
        of_kernel = kernel_gradient(images, upstream, size)
        return of_images, of_kernel, over_positions(upstream)

    result = tf.nn.depthwise_conv2d(images, kernel, STRIDES, "SAME")
    return tf.nn.bias_add(result, bias), gradients


def kernel_gradient(images, upstream, size):
    """The gradient of a depthwise kernel `[size, size, C, 1]`.

    It is the sum of those of a few images at a time, whose features stay in
    the processor's cache. For small kernels TensorFlow's operator is faster.
    """
    if size < 5:
        return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=images,
            filter_sizes=[size, size, images.shape[-1], 1],
            out_backprop=upstream,
            strides=STRIDES,
            padding="SAME",
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
        strides=STRIDES,
        padding=[[0, 0], border, border, [0, 0]],
    )
    return tf.reshape(result, (size, size, channels, 1))
