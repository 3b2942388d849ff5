"""Training steps that XLA compiles.

On a GPU XLA makes a few kernels of what would be hundreds. On one device Keras
compiles the whole step. On several replicas only loss and gradients can be
compiled: what waits for other replicas has to stand outside.
"""

import contextlib

import keras
import tensorflow as tf

from keras_convmixer.training.backup import state_of
from keras_convmixer.training.depthwise import choose_exact_kernels


class CompiledGradients(keras.Model):
    """A model of which XLA compiles loss and gradients on each replica.

    Its norms take the statistics of their own replica's images.

    Attributes:
        xla: Whether it is so; the step is the same without.
    """

    xla = True

    def train_step(self, data):
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        compute = self.loss_and_gradients
        if self.xla:
            compute = tf.function(compute, jit_compile=True, autograph=False)
        loss, predictions, gradients = compute(images, labels, weights)
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(images)[0])
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_weights, strict=True)
        )
        return self.compute_metrics(
            images, labels, predictions, sample_weight=weights
        )

    def loss_and_gradients(self, images, labels, weights):
        with tf.GradientTape() as tape:
            predictions = self(images, training=True)
            loss = self.compute_loss(
                images, labels, predictions, weights, training=True
            )
            scaled = self.optimizer.scale_loss(loss)
        # Keras divides the loss by the replicas, whose gradients are summed.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        gradients = tape.gradient(scaled, self.trainable_weights)
        return loss * replicas, predictions, gradients


def compile_ahead(model, batches, scope=contextlib.nullcontext):
    """Has XLA compile the training step, before the training begins.

    One step is done on black images, after which all variables are what they
    were. If XLA fails, the model is trained without it.

    Args:
        model: A compiled model, built for `fit`.
        batches: One batch as those of the training, for `fit`.
        scope: Makes the context of its strategy.

    Returns:
        The error of XLA; None if there was none.

    Raises:
        tensorflow.errors.ResourceExhaustedError: If memory does not suffice.
    """
    variables = state_of(model)
    before = [keras.ops.convert_to_numpy(variable) for variable in variables]
    failure = None
    try:
        # Outside of the scope, as the training: else it is traced once more.
        model.fit(batches, steps_per_epoch=1, shuffle=False, verbose=0)
    except tf.errors.ResourceExhaustedError:
        raise
    except tf.errors.OpError as error:
        failure = error
        model.jit_compile = model.xla = False
        choose_exact_kernels(model)
        model.make_train_function(force=True)
        model.make_test_function(force=True)
    with scope():
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
    return failure


def black_batch(batches):
    """One batch of zeros in the form of others, whose shapes are known."""
    return tf.data.Dataset.from_tensors(
        tf.nest.map_structure(
            lambda spec: tf.zeros(spec.shape, spec.dtype), batches.element_spec
        )
    )
