"""Batches for `model.fit`, the same in every process.

Order and augmentation are functions of the seed, the epoch and the step, so a
training that goes on in another process sees what it would have seen.
"""

import math

from keras_convmixer.data import images_in_memory
from keras_convmixer.seeds import fold_in

GROUP = 16  # Images that have their random operations in common.


def steps_in_epoch(data, batch_size, limit_steps=None):
    """Whole batches that the training images make.

    Args:
        data: An `ImageData`.
        batch_size: Images a batch.
        limit_steps: Batches an epoch at most.

    Raises:
        ValueError: If there are fewer images than make a batch.
    """
    if batch_size > data.num_train:
        raise ValueError(
            f"batch size must be at most {data.num_train}, the number of "
            f"training images. Received: {batch_size}"
        )
    return min(data.num_train // batch_size, limit_steps or data.num_train)


def training_batches(data, batch_size, steps, seed, augmentation=None, epoch=0):
    """Epoch after epoch of shuffled batches, without end.

    Every epoch has another order. The images that make no whole batch are
    left out, so that each batch divides by the replicas.

    Args:
        data: An `ImageData`.
        batch_size: Images a batch.
        steps: Batches an epoch.
        seed: Seed of the order and the augmentation.
        augmentation: An `Augmentation`, or None.
        epoch: The first epoch.

    Returns:
        `tf.data.Dataset` of (images, one-hot labels).
    """
    import tensorflow as tf

    buffer = min(data.num_train, images_in_memory(data.image_size))
    shuffled = data.train.shuffle(buffer, seed=seed)
    for _ in range(epoch):
        iter(shuffled)  # Takes the order of an epoch, and none of its images.
    one_hot = one_hot_labels(data)
    of_images, of_batches = (tf.constant([seed, i], tf.int64) for i in (0, 1))

    def augment(number, group):
        images, labels = one_hot(*group)
        if augmentation is not None:
            images = augmentation(images, fold_in(of_images, number))
        return images, labels

    def mix(step, batch):
        if augmentation is None:
            return batch
        return augmentation.mix(*batch, fold_in(of_batches, step))

    images = steps * batch_size
    groups = shuffled.take(images).batch(GROUP).repeat()
    first_group = epoch * math.ceil(images / GROUP)
    changed = groups.enumerate(first_group).map(augment, tf.data.AUTOTUNE)
    batches = changed.rebatch(batch_size, drop_remainder=True)
    mixed = batches.enumerate(epoch * steps).map(mix, tf.data.AUTOTUNE)
    return mixed.prefetch(tf.data.AUTOTUNE)


def held_out_batches(data, batch_size):
    """The held-out images in their order, with one-hot labels."""
    import tensorflow as tf

    batches = data.held_out.batch(batch_size).map(one_hot_labels(data))
    return batches.prefetch(tf.data.AUTOTUNE)


def one_hot_labels(data):
    import tensorflow as tf

    def one_hot(images, labels):
        return images, tf.one_hot(labels, len(data.classes))

    return one_hot
