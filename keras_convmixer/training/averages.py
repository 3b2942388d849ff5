"""Averaged weights: what is evaluated and saved in place of the trained."""

import keras


class AveragedWeights(keras.callbacks.Callback):
    """Has the averages of an `AveragingAdamW` evaluated and saved.

    `keras.callbacks.SwapEMAWeights` swaps by adding and subtracting, after
    which the weights are not what they were to the last bit. It stands after
    what saves the model, and before what keeps the training's state.
    """

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        self.model.optimizer.average_statistics()

    def on_test_begin(self, logs=None):
        self.trained = self.model.get_weights()
        self.model.optimizer.finalize_variable_values(
            self.model.trainable_variables
        )

    def on_epoch_end(self, epoch, logs=None):
        self.model.set_weights(self.trained)
