"""The rounding of int8 files, by which both fitting and training go.

kernels       255 values, symmetric, a range for each output channel
activations   256 values that include zero, one range
"""

import tensorflow as tf


def round_activation(values, least, largest):
    """Rounds a float32 tensor to 256 values of a range that has zero in it."""
    return tf.quantization.fake_quant_with_min_max_vars(values, least, largest)


def round_kernel(kernel, channels):
    """Rounds a convolution's float32 kernel to 255 values for each channel.

    Args:
        kernel: Its last elements are those of the output channels.
        channels: Number of output channels.
    """
    columns = tf.reshape(kernel, (-1, channels))
    limit = tf.stop_gradient(tf.reduce_max(tf.abs(columns), axis=0))
    rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(
        columns, -limit, limit, narrow_range=True
    )
    return tf.reshape(rounded, kernel.shape)
