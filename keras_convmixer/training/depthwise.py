"""A depthwise convolution that adds in 32 bits on a GPU, without XLA too.

XLA has its own kernels. Without XLA TensorFlow asks cuDNN in 16 bits where the
kernel is square with a side of `CUDNN_SIZES`. Other sides take a kernel of its
own, whose gradient of the filter adds thousands of numbers in 16 bits: their
numbers are converted to float32 before and back after it.
"""

import tensorflow as tf
from keras import layers

CUDNN_SIZES = (1, 3, 5, 7)
PLACE = {"strides": [1, 1, 1, 1], "padding": "SAME"}


class SwitchableDepthwiseConv2D(layers.DepthwiseConv2D):
    """A ConvMixer's depthwise convolution, computed in float32 or as stock.

    `in_float32` holds for steps that are traced after it is set.
    """

    in_float32 = False

    def call(self, inputs):
        if not self.in_float32:
            return super().call(inputs)
        kernel, bias = map(tf.convert_to_tensor, (self.kernel, self.bias))
        return tf.nn.bias_add(convolve_in_float32(inputs, kernel), bias)


def choose_exact_kernels(model):
    """Has the layers of `for_training` add in 32 bits without XLA."""
    for layer in model.layers:
        if isinstance(layer, SwitchableDepthwiseConv2D):
            layer.in_float32 = (
                layer.compute_dtype != "float32"
                and layer.kernel_size[0] not in CUDNN_SIZES
            )


@tf.custom_gradient
def convolve_in_float32(images, kernel):
    """Of images `[N, H, W, C]` and a kernel `[k, k, C, 1]` in 16 bits.

    The gradient keeps the images in 16 bits and converts them once more.
    """

    def gradients(upstream):
        upstream = tf.cast(upstream, tf.float32)
        of_images = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
            input_sizes=tf.shape(images),
            filter=tf.cast(kernel, tf.float32),
            out_backprop=upstream,
            **PLACE,
        )
        of_kernel = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=tf.cast(images, tf.float32),
            filter_sizes=kernel.shape,
            out_backprop=upstream,
            **PLACE,
        )
        return (
            tf.cast(of_images, images.dtype),
            tf.cast(of_kernel, kernel.dtype),
        )

    result = tf.raw_ops.DepthwiseConv2dNative(
        input=tf.cast(images, tf.float32),
        filter=tf.cast(kernel, tf.float32),
        **PLACE,
    )
    return tf.cast(result, images.dtype), gradients
