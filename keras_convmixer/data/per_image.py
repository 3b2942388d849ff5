"""Functions of batches that treat each image in its own way."""

import tensorflow as tf

from keras_convmixer.utils.checks import UserError


def checked_batch(images, seeds):
    """Images and seeds as tensors; a UserError unless they match."""
    images = tf.convert_to_tensor(images)
    expected = tf.TensorSpec([None, None, None, 3], tf.uint8)
    if not expected.is_compatible_with(images):
        raise UserError(
            f"images must be uint8 [N, H, W, 3]. Received: {described(images)}"
        )
    images = tf.ensure_shape(images, expected.shape)
    seeds = tf.convert_to_tensor(seeds)
    expected = tf.TensorSpec(images.shape[:1], tf.uint64)
    if not expected.is_compatible_with(seeds):
        raise UserError(
            "seeds must be from image_seeds, one for each image. Received: "
            f"{described(seeds)} for images {images.shape}"
        )
    return images, tf.ensure_shape(seeds, expected.shape)


def described(tensor):
    return f"{tensor.dtype.name} {tensor.shape}"


def apply_each(functions, numbers, images, *others):
    """Applies to each image, `[N, H, W, 3]`, the function of its number.

    The functions get the images of their number and the same rows of the other
    tensors, and return as many images of the same shape.
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


def per_image(values):
    """`[N]` as `[N, 1, 1, 1]`."""
    return values[:, None, None, None]
