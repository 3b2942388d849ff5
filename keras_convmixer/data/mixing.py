"""Mixup and cutmix on batches, as timm has them.

Sources: Zhang et al., "mixup" (2017), arXiv:1710.09412; Yun et al., "CutMix"
(2019), arXiv:1905.04899. Keras' `CutMix` draws its alpha too, from 0 to the
number that it is given, and takes several times as long.
"""

import tensorflow as tf

from keras_convmixer.data.seeds import fold_in


def mixup(images, labels, alpha, seed):
    """A weighted mean of each image and another one of its batch.

    Args:
        images: `[N, H, W, 3]`, 0 to 255; H and W must be known.
        labels: One-hot, `[N, classes]`.
        alpha: Of the beta distribution of the weights.
        seed: Integer tensor of two elements.

    Returns:
        `(images, labels)`, float32.
    """
    rows = tf.repeat(random_shares(images, alpha, seed), images.shape[1], 1)
    columns = tf.ones([1, images.shape[2]])
    return mixed(images, labels, rows, columns)


def cutmix(images, labels, alpha, seed):
    """Each image with a rectangle of another one of its batch.

    It takes and returns what `mixup` does. Alpha is of the distribution of the
    rectangles' areas before what lies beyond the image is cut off.
    """
    side = tf.sqrt(random_shares(images, alpha, seed))
    middles = tf.unstack(
        tf.random.stateless_uniform(
            [2, tf.shape(images)[0], 1], fold_in(seed, 2)
        )
    )
    rows, columns = (
        inside(tf.floor(middle * length), tf.floor(side * length), length)
        for middle, length in zip(middles, images.shape[1:3], strict=True)
    )
    return mixed(images, labels, rows, columns)


def random_shares(images, alpha, seed):
    """Shares of the other images, from the beta distribution, `[N, 1]`."""
    shape = [2, tf.shape(images)[0], 1]
    # A gamma variable with a small alpha may be below all floats: its logarithm
    # follows from that of one with alpha + 1.
    above = tf.random.stateless_gamma(shape, fold_in(seed, 0), alpha + 1.0)
    uniform = tf.random.stateless_uniform(shape, fold_in(seed, 1))
    first, second = tf.unstack(
        tf.math.log(above) + tf.math.log1p(-uniform) / alpha
    )
    return tf.sigmoid(first - second)


def inside(middle, size, length):
    """1 for the places from 0 to `length` that lie in a range, else 0."""
    place = tf.range(float(length)) - (middle - size // 2)
    return tf.cast((place >= 0) & (place < size), tf.float32)


def mixed(images, labels, rows, columns):
    """Images and labels, each mixed with those at the other end of the batch.

    The other image's share of a pixel is the product of its row's, `[N, H]`,
    and its column's, `[N, W]`.
    """

    def with_others(values, shares):
        others = tf.gather(values, tf.range(tf.shape(values)[0])[::-1])
        values, others = (tf.cast(v, tf.float32) for v in (values, others))
        return values + shares * (others - values)

    shares = rows[:, :, None] * tf.repeat(columns, 3, 1)[:, None]
    height, width = images.shape[1:3]
    levels = tf.reshape(images, [-1, height, 3 * width])
    levels = with_others(levels, shares)
    share = tf.reduce_mean(rows, 1) * tf.reduce_mean(columns, 1)
    return (
        tf.reshape(levels, tf.shape(images)),
        with_others(labels, share[:, None]),
    )
