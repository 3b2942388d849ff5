"""Trains any Keras model as `convmixer train` trains a ConvMixer."""

import time

import keras
import numpy as np

from benchmarks.measure import read_rows
from keras_convmixer.data.augmentation import Augmentation
from keras_convmixer.data.batches import steps_in_epoch, training_batches
from keras_convmixer.training.backup import Backup


def fit(model, devices, data, recipe, seed, folder):
    """Trains to the recipe's last epoch; continues where a call was stopped.

    Args:
        model: A model that `compile_for_training` compiled.
        devices: The `Devices` that it was built for.
        data: An `ImageData`.
        recipe: A `Recipe`.
        seed: Of the order of the images and of the augmentation.
        folder: Keeps the state after every epoch, and the history.

    Returns:
        The history's row of the last epoch, a dict of text: `accuracy` on the
        augmented training images, and `images_a_second` of a processor.
    """
    folder.mkdir(parents=True, exist_ok=True)
    history = folder / "history.csv"
    backup = Backup(folder / "backup.weights.h5")
    with devices.scope():
        epoch, _ = backup.restore(model)
    steps = steps_in_epoch(data, recipe.batch_size)
    batches = training_batches(
        data,
        recipe.batch_size,
        steps,
        seed,
        augmentation=Augmentation(recipe),
        epoch=epoch,
    )
    model.fit(
        batches,
        initial_epoch=epoch,
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        callbacks=[
            keras.callbacks.TerminateOnNaN(raise_error=True),
            Speed(recipe.batch_size),
            keras.callbacks.CSVLogger(history, append=True),
            backup,
        ],
        verbose=2,
    )
    return read_rows(history)[-1]


class Speed(keras.callbacks.Callback):
    """Adds to an epoch's logs how many images a processor took a second.

    Other programs do not count, and neither does the first step.
    """

    def __init__(self, batch_size):
        super().__init__()
        self.batch_size = batch_size

    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            self.start = time.process_time()
        self.steps = batch

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.process_time() - self.start
        logs["images_a_second"] = self.steps * self.batch_size / seconds


def step_on_random_images(model, count):
    """A function that trains a compiled model by one step on one batch.

    Args:
        model: Takes images `[N, H, W, 3]`, gives `[N, classes]`.
        count: Images of the batch.
    """
    classes = model.output_shape[-1]
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, *model.input_shape[1:]))
    images = np.float32(images)
    labels = keras.utils.to_categorical(np.arange(count) % classes, classes)
    return lambda: model.train_on_batch(images, labels)
