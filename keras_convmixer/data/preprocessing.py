"""What is done to an image before the model sees it."""

import tensorflow as tf


def center_crop(image, size, crop_fraction=1.0):
    """The middle square of a picture, as evaluation sees it.

    The short side is resized to `size / crop_fraction` pixels, rounded down,
    bicubic with antialiasing; then the middle is cut out. ImageNet's weights
    are evaluated with `size=224, crop_fraction=0.96`: 233 pixels, then 224.

    Args:
        image: uint8 or float `(height, width, channels)`, 0 to 255.
        size: Height and width of the result in pixels.
        crop_fraction: Share of the short side that remains.

    Returns:
        uint8 tensor `(size, size, channels)`.

    Example:

    >>> import numpy as np
    >>> from keras_convmixer import center_crop
    >>> photograph = np.zeros((333, 500, 3), "uint8")
    >>> center_crop(photograph, 224, crop_fraction=0.96).shape
    TensorShape([224, 224, 3])
    """

    def resize(image, height, width):
        resized = tf.image.resize(
            image, (height, width), method="bicubic", antialias=True
        )
        return tf.saturate_cast(tf.floor(resized + 0.5), tf.uint8)

    def resize_and_crop():
        short = int(size / crop_fraction)
        sides = tf.shape(image, out_type=tf.int64)[:2]
        sides = tf.cast(sides * short // tf.reduce_min(sides), tf.int32)
        # In two steps, because PIL rounds between the two directions.
        resized = resize(image, tf.shape(image)[0], sides[1])
        resized = resize(resized, sides[0], sides[1])
        # Half to even, like Python's round in torchvision's centre crop.
        top, left = (
            tf.cast(tf.round((sides[i] - size) / 2), tf.int32) for i in (0, 1)
        )
        return resized[top : top + size, left : left + size]

    if crop_fraction == 1:
        done = tf.reduce_all(tf.equal(tf.shape(image)[:2], size))
        image = tf.cond(
            done, lambda: tf.saturate_cast(image, tf.uint8), resize_and_crop
        )
    else:
        image = resize_and_crop()
    image.set_shape((size, size, None))
    return image
