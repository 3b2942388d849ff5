"""Which of TensorFlow's kernels computes a depthwise convolution on a GPU.

XLA has its own. Without XLA TensorFlow asks cuDNN in 16 bits where the kernel
is square with a side of `CUDNN_SIZES`. Other sides take a kernel of its own,
whose gradient of the filter adds thousands of numbers in 16 bits.
"""

import tensorflow as tf
from keras import layers

from keras_convmixer.compat import labelled_kernels
from keras_convmixer.utils.checks import check_choice

CUDNN_SIZES = (1, 3, 5, 7)
# What TensorFlow does by itself; the same in float32, whatever the numbers
# before and after it; cuDNN for every size and type, on GPUs only.
WAYS = ("stock", "float32", "cudnn")
CUDNN = "cudnn_grouped_convolution"
OPERATIONS = [
    f"DepthwiseConv2dNative{part}"
    for part in ("", "BackpropInput", "BackpropFilter")
]
PLACE = {"strides": [1, 1, 1, 1], "padding": "SAME"}


class SwitchableDepthwiseConv2D(layers.DepthwiseConv2D):
    """A ConvMixer's depthwise convolution, computed in one of `WAYS`."""

    way = "stock"

    @property
    def exact_way(self):
        """The way that adds in 32 bits, without XLA."""
        is_wide = self.compute_dtype == "float32"
        return (
            "stock"
            if is_wide or self.kernel_size[0] in CUDNN_SIZES
            else "float32"
        )

    def call(self, inputs):
        if self.way == "stock":
            return super().call(inputs)
        kernel, bias = map(tf.convert_to_tensor, (self.kernel, self.bias))
        return tf.nn.bias_add(convolution(self.way)(inputs, kernel), bias)


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
            layer.way = way or layer.exact_way


def convolution(way):
    """A function of images `[N, H, W, C]` and a kernel `[k, k, C, 1]`."""
    labels = dict.fromkeys(OPERATIONS, CUDNN) if way == "cudnn" else {}

    @tf.custom_gradient
    def convolve(images, kernel):
        dtype = tf.float32 if way == "float32" else images.dtype

        def gradients(upstream):
            upstream = tf.cast(upstream, dtype)
            with labelled_kernels(labels):
                of_images = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                    input_sizes=tf.shape(images),
                    filter=tf.cast(kernel, dtype),
                    out_backprop=upstream,
                    **PLACE,
                )
                of_kernel = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                    input=tf.cast(images, dtype),
                    filter_sizes=kernel.shape,
                    out_backprop=upstream,
                    **PLACE,
                )
            return (
                tf.cast(of_images, images.dtype),
                tf.cast(of_kernel, kernel.dtype),
            )

        with labelled_kernels(labels):
            result = tf.raw_ops.DepthwiseConv2dNative(
                input=tf.cast(images, dtype),
                filter=tf.cast(kernel, dtype),
                **PLACE,
            )
        return tf.cast(result, images.dtype), gradients

    return convolve
