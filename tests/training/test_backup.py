"""Backups: how often they are written, and what they hold."""

import h5py
import keras
import numpy as np
import pytest

from keras_convmixer.compat import build_by_shapes
from keras_convmixer.training.backup import Backup
from keras_convmixer.training.callbacks import AveragedWeights
from keras_convmixer.training.compile import compile_for_training
from keras_convmixer.training.recipes import DIGITS


@pytest.mark.parametrize(
    ("minutes", "expected"), [(10, [1, 1, 1, 4]), (1e-9, [1, 2, 3, 4])]
)
def test_short_epochs_share_a_backup(tmp_path, minutes, expected):
    backup = Backup(tmp_path / "backup.weights.h5", minutes)
    written, found = [], []
    backup.write_before = lambda: written.append(backup.epoch + 1)

    def note(epoch, logs):
        with h5py.File(backup.path) as file:
            found.append(file.attrs["epochs"])

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(
        *(np.zeros((2, 1)), np.zeros((2, 1))),
        epochs=4,
        callbacks=[backup, keras.callbacks.LambdaCallback(on_epoch_end=note)],
        verbose=0,
    )
    assert found == expected
    assert written == sorted(set(expected))


@pytest.mark.slow
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_backup_goes_on_where_it_was(tmp_path, ema):
    def model():
        keras.utils.set_random_seed(0)
        model = DIGITS.replace(depth=1, dim=8).build(10)
        compile_for_training(model, DIGITS.replace(ema=ema), total_steps=40)
        build_by_shapes(model)  # As a training does, before the backup does.
        return model

    pixels = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3))
    labels = np.eye(10)[np.arange(64) % 10]
    backup = Backup(tmp_path / "backup.weights.h5")

    def fit(model, first, last):
        assert backup.restore(model) == (first, 0)
        model.fit(
            *(pixels, labels, 16),
            initial_epoch=first,
            epochs=last,
            validation_data=(pixels[:16], labels[:16]),
            callbacks=[*([AveragedWeights()] if ema else []), backup],
            shuffle=False,
            verbose=0,
        )

    whole, stopped, again = model(), model(), model()
    fit(whole, 0, 4)
    backup.path.unlink()
    fit(stopped, 0, 3)
    fit(again, 3, 4)
    for ours, theirs in zip(
        again.get_weights(), whole.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
