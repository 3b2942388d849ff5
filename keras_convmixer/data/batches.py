"""Batches for `model.fit`, the same in every process.

Order and augmentation are functions of the seed, the epoch and the step, so a
training that goes on in another process sees what it would have seen.
"""

import math
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from tensorflow.autograph.experimental import do_not_convert

from keras_convmixer.data import file_ops
from keras_convmixer.data.image_data import as_arrays, images_in_memory
from keras_convmixer.data.pictures import untuned
from keras_convmixer.data.resize import SMALL_SIDE
from keras_convmixer.data.seeds import fold_in, image_seeds
from keras_convmixer.utils.checks import UserError

# Pixels that one thread augments at a time: few enough for little memory,
# enough that the operators' overhead is small.
CHUNK_PIXELS = 2**20
# Batches that are mixed at a time: as many as fit, but two of those of the
# ImageNet recipe, which take 385 MB each. Two more wait.
READY = 2
READY_BYTES = 2**28


@dataclass(frozen=True)
class Shard:
    """One machine's part of a training.

    Attributes:
        index: Which machine it is.
        count: How many machines there are.
        replicas: Their number on all machines together.
        batches_a_step: How many batches this machine is given for a step: one,
            which is divided among its replicas, or one for each of them, as
            TensorFlow wants it where there are several machines.
    """

    index: int = 0
    count: int = 1
    replicas: int = 1
    batches_a_step: int = 1


ONE_MACHINE = Shard()


def steps_in_epoch(data, batch_size, limit_steps=None):
    """Whole batches that the training images make, at most `limit_steps`.

    Raises:
        UserError: If there are fewer images than make a batch.
    """
    if batch_size > data.num_train:
        raise UserError(
            f"batch_size must be at most {data.num_train}, the number of "
            f"training images. Received: {batch_size}",
            argument="batch_size",
        )
    return min(data.num_train // batch_size, limit_steps or data.num_train)


def training_batches(
    data,
    batch_size,
    steps,
    seed,
    augmentation=None,
    epoch=0,
    shard=ONE_MACHINE,
    class_weights=None,
    step=0,
):
    """Epoch after epoch of shuffled batches, without end.

    Every epoch has another order. The images that make no whole batch are
    left out, so that each batch divides by the replicas.

    Args:
        data: An `ImageData`.
        batch_size: Images a batch.
        steps: Batches an epoch.
        seed: Seed of the order and the augmentation.
        augmentation: An `Augmentation`; None for the middle squares.
        epoch: The first epoch.
        shard: The `Shard` of this machine. One of several gets its part of
            every batch, in batches for one replica.
        class_weights: A weight for each class, or None. A mixed image has the
            mean of its classes' weights, in their shares.
        step: The first step of the first epoch. Images before it are not
            read.

    Returns:
        `tf.data.Dataset` of (images, one-hot labels), and of weights if the
        classes have some.
    """
    one_hot = one_hot_labels(data)
    side, workers = data.image_size, data.reading.workers
    order_seed, batch_seed = (
        tf.constant([seed, purpose], tf.int64)
        for purpose in (0, 2 + shard.index)
    )
    if augmentation is None:
        rows, buffer = data.train, images_in_memory(side)
    else:
        rows, crop = training_rows(data, augmentation)
        buffer = data.train_pictures.buffer
    buffer = min(buffer, data.num_train)

    @do_not_convert
    def augment(numbers, rows):
        rows, labels = rows
        if augmentation is None:
            return rows, labels
        seeds = image_seeds(seed, numbers)
        return augmentation.change(crop(rows, seeds), seeds), labels

    @do_not_convert
    def mix(step, batch):
        images, labels = one_hot(*batch)
        if augmentation is not None:
            images, labels = augmentation.mix(
                images, labels, fold_in(batch_seed, step)
            )
        if class_weights is None:
            return images, labels
        weights = tf.constant(class_weights, tf.float32)
        return images, labels, tf.linalg.matvec(labels, weights)

    def rows_of(epoch):
        # Its order has a seed of its own, whatever was iterated before. With
        # a global seed TensorFlow takes constants only.
        tf.compat.v1.get_default_graph().seed = None
        own = tf.random.stateless_uniform(
            (), fold_in(order_seed, epoch), None, None, tf.int64
        )
        return rows.shuffle(buffer, own).take(steps * batch_size)

    every = tf.data.Dataset.counter(epoch).flat_map(rows_of)
    numbered = every.enumerate(epoch * steps * batch_size)
    numbered = numbered.skip(step * batch_size)
    own = numbered.shard(shard.count, shard.index)
    size = batch_size // shard.count // shard.batches_a_step
    chunk = min(steps * size, max(1, CHUNK_PIXELS // side**2))
    chunks = own.batch(chunk, drop_remainder=True).map(augment, workers)
    batches = chunks.rebatch(size, drop_remainder=True)
    first = (epoch * steps + step) * shard.batches_a_step
    ready = max(READY, min(workers, READY_BYTES // (12 * size * side**2)))
    # `flat_map` does not pass on the options of the rows.
    return untuned(batches.enumerate(first).map(mix, ready).prefetch(READY))


def training_rows(data, augmentation):
    """The training images, decoded once where they fit in memory.

    Returns:
        `(rows, crop)`: a `tf.data.Dataset` of (row, label), and a function of
        a batch of rows and their seeds to uint8 `[N, size, size, 3]`.
    """
    pictures, reading = data.train_pictures, data.reading
    least_side, crops = augmentation.least_side, augmentation.recipe.crop < 1
    if not crops and data.squares_fit(pictures):
        return data.train, lambda squares, seeds: squares
    if crops and (pictures.side or math.inf) <= SMALL_SIDE:
        signature = tf.TensorSpec([pictures.side] * 2 + [3], tf.uint8)
        opened = decoded = pictures.pixels
    else:
        signature = file_ops.SIGNATURE

        def opened(row):
            return pictures.stored(row, least_side)

        def decoded(row):
            return file_ops.decoded(opened(row))

    def crop(rows, seeds):
        images = tf.map_fn(
            opened, rows, parallel_iterations=1, fn_output_signature=signature
        )
        return augmentation.crop(images, seeds)

    @do_not_convert
    def decode(row, label):
        return decoded(row), label

    if crops and pictures.decoded_bytes(least_side) <= reading.cache:
        rows = pictures.rows.map(decode, reading.workers).cache()
        return rows, augmentation.crop
    return pictures.rows, crop


def held_out_batches(data, batch_size, shard=ONE_MACHINE):
    """The held-out images, in batches for every replica.

    Each of several machines gets its part of them, in their order. The parts
    are filled up with black images of no weight, so that they are equally
    large and divide by a machine's replicas, whose parts of a batch have to
    be equal.

    Args:
        data: An `ImageData`.
        batch_size: Images a step; a multiple of the replicas.
        shard: The `Shard` of this machine.

    Returns:
        `tf.data.Dataset` of (images, one-hot labels), and of weights where
        there are black ones. The weights of all machines sum up to the number
        of all images, since Keras' mean of a loss is over the images, not
        their weights.
    """
    pictures = data.held_out_pictures.shard(shard.count, shard.index)
    images, own = held_out_squares(pictures, data), len(pictures)
    replica_images = math.ceil(data.num_held_out / shard.replicas)
    size = replica_images * (shard.replicas // shard.count)
    if size * shard.count > data.num_held_out:
        weight = size * shard.count / data.num_held_out
        black = tf.zeros((data.image_size, data.image_size, 3), tf.uint8)
        filling = tf.data.Dataset.from_tensors((black, np.int64(0), 0.0))
        images = images.map(lambda *pair: (*pair, weight))
        images = images.concatenate(filling.repeat(size - own))
    batches = images.batch(batch_size // shard.count).map(one_hot_labels(data))
    if (parts := shard.batches_a_step) > 1:
        batches = batches.map(
            lambda *batch: tf.nest.map_structure(
                lambda part: tf.stack(tf.split(part, parts)), batch
            )
        ).unbatch()
    return batches.prefetch(READY)


def held_out_squares(pictures, data):
    """The middle squares of pictures, ready for every epoch.

    Keras makes two iterators an epoch, and a strategy takes half a second for
    one in which the images are still decoded, even if all of them are cached.
    """
    squares = pictures.squares(data.image_size, data.reading.workers)
    if len(pictures) == 0 or not data.squares_fit(pictures):
        return squares
    with tf.device("CPU"):  # Not in a GPU's memory.
        return untuned(tf.data.Dataset.from_tensor_slices(as_arrays(squares)))


def one_hot_labels(data):
    """A function of images and labels that makes the labels one-hot."""
    classes = len(data.classes)

    def one_hot(images, labels, *weights):
        inside = tf.reduce_all((labels >= 0) & (labels < classes))
        message = f"the labels of {data.name} must be from 0 to {classes - 1}"
        with tf.control_dependencies([tf.debugging.Assert(inside, [message])]):
            return images, tf.one_hot(labels, classes), *weights

    return one_hot
