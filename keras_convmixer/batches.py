"""Batches for `model.fit`, the same in every process.

Order and augmentation are functions of the seed, the epoch and the step, so a
training that goes on in another process sees what it would have seen.
"""

from keras_convmixer.augmentation import fold_in
from keras_convmixer.data import images_in_memory


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


def training_batches(data, batch_size, steps, seed, augment=None, epoch=0):
    """Epoch after epoch of shuffled batches, without end.

    Every epoch has another order. The images that make no whole batch are
    left out, so that each batch divides by the replicas.

    Args:
        data: An `ImageData`.
        batch_size: Images a batch.
        steps: Batches an epoch.
        seed: Seed of the order and the augmentation.
        augment: Optional function of a batch of images and a seed.
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
    first_seed = tf.constant([seed, 0], tf.int64)

    def prepare(step, batch):
        images, labels = one_hot(*batch)
        if augment is not None:
            images = augment(images, fold_in(first_seed, step))
        return images, labels

    batches = shuffled.batch(batch_size, drop_remainder=True).take(steps)
    numbered = batches.repeat().enumerate(start=epoch * steps)
    return numbered.map(prepare, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


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
