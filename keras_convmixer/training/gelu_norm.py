"""GELU and the norm after it, as one operation on a CPU.

What they cost is the reading and writing of feature maps, so that as little as
possible of it is done. TensorFlow's own operators are fast for the norm alone;
XLA makes one loop of the others, which would be a dozen.
"""

import math

import tensorflow as tf

MOST_SUMMANDS = 8


def gelu_norm(x, scale, offset, epsilon):
    """The norm of GELU(x) by the statistics of the batch.

    Args:
        x: `[N, H, W, C]`, float32.
        scale: `[C]`.
        offset: `[C]`.
        epsilon: A float.

    Returns:
        `[N, H, W, C]`, and the `[C]` means and variances of GELU(x), which
        have no gradient.
    """

    @tf.custom_gradient
    def with_gradient(x, scale, offset):
        y = gelu_of(x)
        outputs, mean, variance = norm(y, scale, offset, epsilon)

        def gradients(upstream, *_):
            rows = tf.size(x) // x.shape[-1]
            total, product = (
                over_positions(sums) for sums in partial_sums(y, mean, upstream)
            )
            inverse = tf.math.rsqrt(variance + epsilon)
            factor = scale * inverse
            share = factor / tf.cast(rows, tf.float32)
            of_x = gradient_of(
                x=x,
                upstream=upstream,
                mean=mean,
                factor=factor,
                slope=share * product * tf.square(inverse),
                shift=share * total,
            )
            return of_x, product * inverse, total

        return (outputs, mean, variance), gradients

    return with_gradient(x, scale, offset)


def norm(x, scale, offset, epsilon):
    """The norm of x by the statistics of the batch, and these."""
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=scale,
        offset=offset,
        mean=[],
        variance=[],
        epsilon=epsilon,
    )
    # Of all values, as Keras has it; the kernel's is of a sample.
    count = tf.cast(tf.size(x) // x.shape[-1], tf.float32)
    return outputs, mean, variance * ((count - 1) / count)


@tf.custom_gradient
def gelu(x):
    def gradient(upstream):
        return gelu_gradient(x, upstream)

    return gelu_of(x), gradient


def over_positions(x):
    """The `[C]` sums of `[N, H, W, C]`: a product, which is faster."""
    rows = tf.reshape(x, (-1, x.shape[-1]))
    ones = tf.ones_like(rows[:, :1])
    return tf.matmul(ones, rows, transpose_a=True)[0]


@tf.function(jit_compile=True)
def gelu_of(x):
    return x * normal_cdf(x)


@tf.function(jit_compile=True)
def gelu_gradient(x, upstream):
    return upstream * slope_of_gelu(x)


@tf.function(jit_compile=True)
def gradient_of(x, upstream, mean, factor, slope, shift):
    """The gradient of x, of which the norm has the second factor."""
    deviation = x * normal_cdf(x) - mean
    return (factor * upstream - slope * deviation - shift) * slope_of_gelu(x)


@tf.function(jit_compile=True)
def partial_sums(y, mean, upstream):
    """Sums of the gradient, and of it times y's deviation.

    Of a few positions of each image: XLA is fast as long as what it writes
    has many rows.
    """
    positions, channels = y.shape[1] * y.shape[2], y.shape[3]
    parts = next(n for n in range(MOST_SUMMANDS, 0, -1) if positions % n == 0)

    def split(x):
        return tf.unstack(
            tf.reshape(x, (-1, parts, positions // parts, channels)), axis=1
        )

    upstream = split(upstream)
    products = [u * (y - mean) for u, y in zip(upstream, split(y), strict=True)]
    return tf.add_n(upstream), tf.add_n(products)


def slope_of_gelu(x):
    density = tf.exp(-0.5 * tf.square(x)) * (2 * math.pi) ** -0.5
    return normal_cdf(x) + x * density


def normal_cdf(x):
    """The share of the normal distribution that is below x."""
    return 0.5 * (1 + tf.math.erf(x * 0.5**0.5))
