"""Moves the pixels of images.

Between the border and what lies beyond it, levels are interpolated too.
"""

import tensorflow as tf


def shift(images, offsets, cubic, fill):
    """Moves the rows of images, each as a whole or pixel by pixel.

    Args:
        images: uint8 `[N, H, W, 3]`.
        offsets: In pixels. `[N]`: row y is that of the input at y + the offset.
            `[N, H]`: pixel x of a row is that of the input's row at x + the
            row's offset.
        cubic: bool `[N]`, whether interpolation is bicubic instead of bilinear.
        fill: Levels of red, green and blue beyond the borders.
    """
    axis = len(offsets.shape)
    size = tf.shape(images)[axis]
    whole = tf.floor(offsets)
    part = offsets - whole
    # Three of the four neighbours of a place are those of the next one too.
    place = tf.cast(whole, tf.int32)[..., None] + tf.range(-1, size + 2)
    place = tf.clip_by_value(place, -1, size) + 1
    images = pad(images, axis, 1, 1, fill)
    images = tf.gather(images, place, axis=axis, batch_dims=axis)
    others = [slice(None)] * axis
    before, here, after, next_after = (
        tf.cast(images[*others, first : first + size], tf.float32)
        for first in range(4)
    )
    cubic = tf.reshape(cubic, [-1] + [1] * (axis - 1))
    weights = tf.where(cubic, bicubic(part), bilinear(part))
    first, second, third = tf.unstack(weights[(..., *[None] * (4 - axis))])
    # Weighted differences leave regions of one colour exactly as they are.
    levels = here + second * (after - here)
    levels += first * (before - here) + third * (next_after - here)
    return tf.cast(tf.clip_by_value(levels, 0, 255), tf.uint8)


def bilinear(part):
    """Weights of the neighbours of a place between two pixels, but for one.

    Args:
        part: float32, from the pixel before the place to the place.

    Returns:
        `[3, ...]`: of the pixel before that one and of the two after it.
    """
    return tf.stack([tf.zeros_like(part), part, tf.zeros_like(part)])


def bicubic(part):
    """As `bilinear`, with the kernel of Pillow's transforms."""
    rest = 1 - part
    return tf.stack(
        [-part * rest**2, part * (1 + rest - rest**2), -rest * part**2]
    )


def transpose(images):
    """Images with rows and columns exchanged, `[N, W, H, 3]`."""
    return tf.transpose(images, [0, 2, 1, 3])


def affine(images, a, b, c, d, e, f, fill):
    """Images whose pixel (x, y) is that of the input at another place.

    Interpolation is bilinear.

    Args:
        images: uint8 `[N, H, W, 3]`.
        a, b, c, d, e, f: `[N]` or numbers: the place is (a x + b y + c, d x +
            e y + f), where (0, 0) is the corner of the image, as in Pillow.
        fill: Levels of red, green and blue beyond the borders.
    """
    # For TensorFlow (0, 0) is the centre of the first pixel, which here is one
    # of the fill colour: the operator takes a single level, not a colour.
    c = c + 0.5 * (a + b + 1)
    f = f + 0.5 * (d + e + 1)
    count, *sides = tf.unstack(tf.shape(images)[:3])
    matrix = tf.stack(
        [
            tf.broadcast_to(tf.cast(value, tf.float32), [count])
            for value in (a, b, c, d, e, f, 0, 0)
        ],
        1,
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pad(pad(images, 1, 1, 1, fill), 2, 1, 1, fill),
        transforms=matrix,
        output_shape=sides,
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def pad(images, axis, before, after, fill):
    """Images with pixels of a colour before and after one axis."""
    shape = tf.tensor_scatter_nd_update(tf.shape(images), [[axis]], [1])
    colour = tf.broadcast_to(tf.constant(fill, images.dtype), shape)
    return tf.concat([colour] * before + [images] + [colour] * after, axis)
