"""Averaged weights: what is evaluated and saved in place of the trained."""

import keras


class AveragedWeights(keras.callbacks.Callback):
    """Has the averages of an `AveragingAdamW` evaluated and saved.

    `keras.callbacks.SwapEMAWeights` swaps by adding and subtracting, after
    which the weights are not what they were to the last bit. It stands after
    what saves the model, and before what keeps the training's state.
    """

    def on_train_begin(self, logs=None):
        optimizer = self.model.optimizer
        # Under float16 a `LossScaleOptimizer` wraps it.
        self.optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        self.steps = self.steps_done()

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        steps = self.steps_done()
        # No step: its gradient overflowed, or is being accumulated.
        if steps != self.steps:
            self.steps = steps
            self.optimizer.average_statistics()

    def steps_done(self):
        return int(keras.ops.convert_to_numpy(self.optimizer.iterations))

    def on_test_begin(self, logs=None):
        self.trained = self.model.get_weights()
        self.model.optimizer.finalize_variable_values(
            self.model.trainable_variables
        )

    def on_epoch_end(self, epoch, logs=None):
        self.model.set_weights(self.trained)

    def on_train_end(self, logs=None):
        # Keras has just set the averages, from which no training goes on.
        self.model.set_weights(self.trained)
