"""Batches for `model.fit`, the same in every process.

Order and augmentation are functions of the seed, the epoch and the step, so a
training that goes on in another process sees what it would have seen.
"""

import math

from keras_convmixer.data.image_data import images_in_memory
from keras_convmixer.data.seeds import fold_in
from keras_convmixer.utils.checks import UserError

GROUP = 16  # Images at most that have RandAugment's operations in common.


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
        raise UserError(
            f"batch size must be at most {data.num_train}, the number of "
            f"training images. Received: {batch_size}"
        )
    return min(data.num_train // batch_size, limit_steps or data.num_train)


def training_batches(
    data, batch_size, steps, seed, augmentation=None, epoch=0, context=None
):
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
        context: `tf.distribute.InputContext` of one of several machines. It
            gets its part of every batch, in batches for one replica.

    Returns:
        `tf.data.Dataset` of (images, one-hot labels).
    """
    import tensorflow as tf

    one_hot = one_hot_labels(data)
    machine, machines, replicas = 0, 1, 1
    if context:
        machine = context.input_pipeline_id
        machines = context.num_input_pipelines
        replicas = context.num_replicas_in_sync
    of_order, of_images, of_batches = (
        tf.constant([seed, purpose], tf.int64)
        for purpose in (0, 1, 2 + machine)
    )

    def augment(number, group):
        images, labels = one_hot(*group)
        if augmentation is not None:
            images = augmentation(images, fold_in(of_images, number))
        return images, labels

    def mix(step, batch):
        if augmentation is None:
            return batch
        return augmentation.mix(*batch, fold_in(of_batches, step))

    buffer = min(data.num_train, images_in_memory(data.image_size))
    group = math.gcd(GROUP, batch_size // machines)

    def groups_of(epoch):
        # Its order has a seed of its own, whatever was iterated before. With
        # a global seed TensorFlow takes constants only.
        tf.compat.v1.get_default_graph().seed = None
        own = tf.random.stateless_uniform(
            (), fold_in(of_order, epoch), None, None, tf.int64
        )
        shuffled = data.train.shuffle(buffer, own)
        return shuffled.take(steps * batch_size).batch(group)

    groups = tf.data.Dataset.counter(epoch).flat_map(groups_of)
    numbered = groups.enumerate(epoch * steps * batch_size // group)
    own = numbered.shard(machines, machine)
    changed = own.map(augment, tf.data.AUTOTUNE)
    batches = changed.rebatch(batch_size // replicas, drop_remainder=True)
    first = epoch * steps * replicas // machines
    mixed = batches.enumerate(first).map(mix, tf.data.AUTOTUNE)
    return mixed.prefetch(tf.data.AUTOTUNE)


def held_out_batches(data, batch_size):
    """The held-out images in their order, with one-hot labels."""
    import tensorflow as tf

    batches = data.held_out.batch(batch_size).map(one_hot_labels(data))
    return batches.prefetch(tf.data.AUTOTUNE)


def one_hot_labels(data):
    import tensorflow as tf

    classes = len(data.classes)

    def one_hot(images, labels):
        inside = tf.reduce_all((labels >= 0) & (labels < classes))
        message = f"the labels of {data.name} must be from 0 to {classes - 1}"
        with tf.control_dependencies([tf.debugging.Assert(inside, [message])]):
            return images, tf.one_hot(labels, classes)

    return one_hot
