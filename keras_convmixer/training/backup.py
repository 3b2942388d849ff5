"""Backups: all of a training's state in one file, and how it goes on."""

import math
import time
from pathlib import Path

import h5py
import keras
import numpy as np

from keras_convmixer.training.callbacks import NaNLossError
from keras_convmixer.utils.cluster import is_chief
from keras_convmixer.utils.files import replacing
from keras_convmixer.utils.process_state import HeldStops

VARIABLES, METRICS = "variables", "metrics"  # Groups of the file.
# At the end of an epoch there is one if the last is as old: writing one takes
# half a second, and a short epoch on a GPU not much longer.
EPOCH_SECONDS = 10
# Before the last step of an epoch, which the held-out images follow, a backup
# is due after this share of the time.
BEFORE_EVALUATION = 0.1


class Backup(keras.callbacks.Callback):
    """Keeps all of the training's state, between steps and between epochs.

    Unlike `keras.callbacks.BackupAndRestore` it is one file, whole at any
    moment. Variables are stored by their position: the layers that train them
    depend on the devices, and a training may go on on others. It has to be the
    last callback, so that what the others wrote of an epoch is there when its
    backup is.

    It has no `on_train_batch_end`, with which Keras on JAX would wait for each
    step before it begins the next.

    Args:
        path: File, ending in `.weights.h5`.
        minutes: Between two backups within an epoch, at most.
        stops: The `HeldStops` of the process, which are let go after a backup;
            None for a training that nothing holds back.
    """

    def __init__(self, path, minutes=math.inf, stops=None):
        super().__init__()
        self.path = Path(path)
        self.seconds = 60 * minutes
        self.stops = stops or HeldStops()
        self.epoch = self.first_step = 0
        self.metrics = None
        self.saved = time.monotonic()
        # Writes what a training that goes on finds besides the backup.
        self.write_before = lambda: None

    def restore(self, model):
        """Loads the backup, if there is one, into a compiled model.

        Returns:
            `(epochs, steps)`: how many epochs it has completed, and how many
            steps of the next one.
        """
        if not self.path.is_file():
            return 0, 0
        model.optimizer.build(model.trainable_variables)
        with h5py.File(self.path) as file:
            epochs = int(file.attrs["epochs"])
            # Version 0.1.0 had none.
            self.first_step = int(file.attrs.get("steps", 0))
            is_by_position = VARIABLES in file
            if is_by_position:
                restore_variables(model, datasets_in(file[VARIABLES]))
            if self.first_step:
                self.metrics = [v[()] for v in datasets_in(file[METRICS])]
        if not is_by_position:  # Version 0.1.0 wrote it.
            model.load_weights(self.path)
        return epochs, self.first_step

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        if self.metrics is None:
            self.first_step = 0
            return
        # Keras has just set them to zero.
        for variable, value in zip(
            self.model.metrics_variables, self.metrics, strict=True
        ):
            variable.assign(value)
        self.metrics = None

    def on_train_batch_begin(self, batch, logs=None):
        """Saves what the steps before have made, where it is time to."""
        is_stopped = bool(self.stops.pending)
        age = time.monotonic() - self.saved
        is_last = batch == self.params["steps"] - 1
        due = self.seconds * (BEFORE_EVALUATION if is_last else 1)
        if batch and (is_stopped or age > due):
            self.save(self.epoch, self.first_step + batch)
        if is_stopped:
            self.stops.let_go()

    def on_test_batch_begin(self, batch, logs=None):
        if self.stops.pending:
            self.stops.let_go()

    def on_epoch_end(self, epoch, logs=None):
        is_stopped = bool(self.stops.pending)
        is_last = epoch == self.params["epochs"] - 1
        age = time.monotonic() - self.saved
        is_due = age > min(EPOCH_SECONDS, self.seconds)
        if is_stopped or is_last or is_due or not self.path.is_file():
            self.save(epoch + 1, 0)
        if is_stopped:
            self.stops.let_go()

    def save(self, epochs, steps):
        """Writes the file after some epochs and steps of the next one."""
        if not is_chief():
            self.saved = time.monotonic()
            return
        self.write_before()
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        groups = {VARIABLES: state_of(self.model)}
        if steps:
            groups[METRICS] = self.model.metrics_variables
        with (
            replacing(self.path) as temporary,
            h5py.File(temporary, "w") as file,
        ):
            for name, variables in groups.items():
                for index, variable in enumerate(variables):
                    value = keras.ops.convert_to_numpy(variable)
                    if name == METRICS and not np.isfinite(value).all():
                        raise NaNLossError(f"Batch {steps}: the loss")
                    file[f"{name}/{index}"] = value
            file.attrs["epochs"] = epochs
            file.attrs["steps"] = steps
        self.saved = time.monotonic()


def restore_variables(model, saved):
    """Sets the variables of a compiled model and its built optimizer."""
    variables = state_of(model)
    if len(saved) != len(variables):
        # Of float16 a training has a loss scale besides, which others lack.
        optimizer = model.optimizer
        inner = getattr(optimizer, "inner_optimizer", optimizer).variables
        variables = [*model.weights, *inner]
        saved = [*saved[: len(model.weights)], *saved[-len(inner) :]]
    for variable, value in zip(variables, saved, strict=True):
        variable.assign(value[()])


def datasets_in(group):
    """What a group of a backup has, in its order."""
    return [group[str(index)] for index in range(len(group))]


def state_of(model):
    """The variables that the next steps of a training depend on."""
    return [*model.weights, *model.optimizer.variables]
