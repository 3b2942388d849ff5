"""What happens at the end of each epoch: what is saved, and how."""

import math
from pathlib import Path

import h5py
import keras

from keras_convmixer.training.averages import AveragedWeights
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.files import replacing


def callbacks_of(run, plan, plain, epoch, writes_files):
    """The callbacks of a training, but for its `Backup`, which comes last.

    Args:
        run: A `RunFolder`; its history is cut down to the first epochs.
        plan: A `Plan`.
        plain: The model that is saved, from `plain_copy`.
        epoch: The epochs that are behind it.
        writes_files: Whether this machine does.
    """
    callbacks = [StopOnNaN()]
    if writes_files:
        best = run.keep_history(epoch)
        callbacks += [
            SaveModel(run.model_path, plain, plan.keep, best),
            keras.callbacks.CSVLogger(run.history_path, append=True),
        ]
    if plan.recipe.ema:
        callbacks.append(AveragedWeights())
    if plan.tensorboard and writes_files:
        callbacks.append(keras.callbacks.TensorBoard(run.tensorboard_folder))
    return callbacks


VARIABLES = "variables"  # Group of a backup.


class NaNLossError(UserError, RuntimeError):
    """The loss is NaN or infinite.

    Args:
        where: What the loss is of.
    """

    def __init__(self, where):
        super().__init__(
            f"{where} is NaN or infinite. Try a lower learning_rate. What the "
            "run folder holds is from before.",
        )


class StopOnNaN(keras.callbacks.Callback):
    """Ends the training after a batch whose loss is NaN or infinite."""

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(logs["loss"]):
            raise NaNLossError(f"Batch {batch + 1}: the loss")


class SaveModel(keras.callbacks.Callback):
    """Keeps the model of the last epoch, or of the best.

    A killed process leaves the previous file, and so does an epoch whose last
    step made weights of which the loss is no number.

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

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite(logs["val_loss"]):
            raise NaNLossError(f"Epoch {epoch + 1}: the held-out loss")
        if self.keep == "last" or logs["val_accuracy"] > self.best:
            self.best = logs["val_accuracy"]
            self.plain.set_weights(self.model.get_weights())
            with replacing(self.path) as temporary:
                self.plain.save(temporary)


class Backup(keras.callbacks.Callback):
    """Keeps all of the training's state at the end of every epoch.

    Unlike `keras.callbacks.BackupAndRestore` it is one file, whole at any
    moment. Variables are stored by their position: the layers that train them
    depend on the devices, and a training may go on on others. It has to be the
    last callback, so that what the others wrote of an epoch is there when its
    backup is.

    Args:
        path: File, ending in `.weights.h5`.
    """

    def __init__(self, path):
        super().__init__()
        self.path = Path(path)

    def restore(self, model):
        """Loads the backup, if there is one, into a compiled model.

        Returns:
            How many epochs it has behind it.
        """
        if not self.path.is_file():
            return 0
        model.optimizer.build(model.trainable_variables)
        with h5py.File(self.path) as file:
            epochs = int(file.attrs["epochs"])
            is_by_position = VARIABLES in file
            if is_by_position:
                restore_variables(model, file[VARIABLES])
        if not is_by_position:  # Version 0.1.0 wrote it.
            model.load_weights(self.path)
        return epochs

    def on_epoch_end(self, epoch, logs=None):
        with (
            replacing(self.path) as temporary,
            h5py.File(temporary, "w") as file,
        ):
            for index, variable in enumerate(state_of(self.model)):
                value = keras.ops.convert_to_numpy(variable)
                file[f"{VARIABLES}/{index}"] = value
            file.attrs["epochs"] = epoch + 1


def restore_variables(model, saved):
    """Sets the variables of a model and its optimizer.

    Args:
        model: A compiled model whose optimizer is built.
        saved: Their values by position. Those of a float16 training have a
            loss scale besides, which others do without.
    """
    variables, positions = state_of(model), range(len(saved))
    if len(saved) != len(variables):
        optimizer = model.optimizer
        inner = getattr(optimizer, "inner_optimizer", optimizer).variables
        variables, first = [*model.weights, *inner], len(model.weights)
        skipped = len(saved) - len(variables)
        positions = [*range(first), *range(first + skipped, len(saved))]
    for variable, index in zip(variables, positions, strict=True):
        variable.assign(saved[str(index)][()])


def state_of(model):
    """The variables that the next steps of a training depend on."""
    return [*model.weights, *model.optimizer.variables]


def plain_copy(model):
    """The network as it is saved: in float32, with probabilities."""
    config = model.get_config()
    for layer in config["layers"]:
        layer["config"]["dtype"] = "float32"
    config["layers"][-1]["config"]["activation"] = "softmax"
    return keras.Model.from_config(config)
