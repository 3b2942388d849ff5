"""Applies a different function to different images of a batch."""

import tensorflow as tf


def apply_each(functions, numbers, images, *others):
    """Applies one function to each image, each to those of its number.

    Args:
        functions: Functions of images and of the others to as many images of
            the same shape.
        numbers: int32 `[N]`, indices into `functions`.
        images: `[N, H, W, 3]`.
        others: Tensors of N rows.

    Returns:
        The changed images, in their order.
    """
    places, results = [], []
    for number, function in enumerate(functions):
        place = tf.where(numbers == number)[:, 0]
        inputs = [tf.gather(each, place) for each in (images, *others)]
        results.append(function(*inputs))
        places.append(tf.cast(place, tf.int32))
    return tf.ensure_shape(tf.dynamic_stitch(places, results), images.shape)


def unchanged(images, *others):
    return images
