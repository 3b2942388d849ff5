"""What happens at the end of each epoch: what is saved, and how."""

import math
from pathlib import Path

import keras

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.cluster import is_chief
from keras_convmixer.utils.files import replacing


def callbacks_of(training, run, epoch, backup):
    """The callbacks of a `Training`; the `Backup` is the last one.

    The run's history is cut down to the completed epochs.
    """
    plan, callbacks = training.plan, [StopOnNaN()]
    if is_chief():
        best = run.keep_history(epoch)
        save_model = SaveModel(run.model_path, training.plain, plan.keep, best)
        backup.write_before = save_model.write
        callbacks += [
            save_model,
            keras.callbacks.CSVLogger(run.history_path, append=True),
        ]
    if plan.recipe.ema:
        callbacks.append(AveragedWeights())
    if plan.tensorboard and is_chief():
        callbacks.append(keras.callbacks.TensorBoard(run.tensorboard_folder))
    return [*callbacks, backup]


class NaNLossError(UserError, RuntimeError):
    """The loss is NaN or infinite."""

    def __init__(self, where):
        super().__init__(
            f"{where} is NaN or infinite. Try a lower learning_rate. What the "
            "run folder holds is from before.",
        )


class StopOnNaN(keras.callbacks.Callback):
    """Ends the training after a batch whose loss is NaN or infinite."""

    # Else Keras on JAX waits for the loss of a step before it begins the next.
    async_safe = True

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(logs["loss"]):
            raise NaNLossError(f"Batch {batch + 1}: the loss")


class SaveModel(keras.callbacks.Callback):
    """Keeps the model of the last epoch, or of the best.

    It is written with the next backup. The previous file stays if the process
    is killed, or if the held-out loss is NaN.

    Args:
        path: File, ending in `.keras`.
        plain: The model that is saved, with the weights of the trained one.
        keep: "last", or "best" for the highest held-out accuracy.
        best: The best accuracy of the epochs before, if any.
    """

    def __init__(self, path, plain, keep, best=None):
        super().__init__()
        self.path = Path(path)
        self.plain = plain
        self.keep = keep
        self.best = -1.0 if best is None else best
        self.is_new = False

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite(logs["val_loss"]):
            raise NaNLossError(f"Epoch {epoch + 1}: the held-out loss")
        if self.keep == "last" or logs["val_accuracy"] > self.best:
            self.best = logs["val_accuracy"]
            self.plain.set_weights(self.model.get_weights())
            self.is_new = True

    def write(self):
        """Writes the file, if there is a model that it lacks."""
        if self.is_new:
            with replacing(self.path) as temporary:
                self.plain.save(temporary)
            self.is_new = False


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


def float32_copy(model):
    """The network as it is saved: in float32, with probabilities."""
    config = model.get_config()
    for layer in config["layers"]:
        layer["config"]["dtype"] = "float32"
    config["layers"][-1]["config"]["activation"] = "softmax"
    return keras.Model.from_config(config)
