"""Trainings with real input: its rate, that of the whole, and their repetition.

The images are a data set of tensorflow-datasets that is made once, so that they
are read and decoded as CIFAR-10 and ImageNet are.
"""

import functools
import math
import tempfile
import time
from pathlib import Path

PICTURES = 100  # Different ones, at most.
VERSION = "1.0.0"
SMALL_SIDE = 64  # Pixels, up to which images are cut out of larger ones.


@functools.cache
def images(side, count):
    """A data set that is written once: its `Source` and `ImageData`.

    Args:
        side: Of the images in pixels, up to `SMALL_SIDE`: PNG. Above, they are
            JPEG files of about 500 x 375, some of them duplicates.
        count: How many there are.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    from keras_convmixer.data.source import Source

    is_small = side <= SMALL_SIDE
    name = f"images_of_{side if is_small else 500}_pixels_{count}"
    folder = Path(tempfile.gettempdir(), "keras_convmixer-benchmarks-gpu")

    def split(number, seed):
        return tf.data.Dataset.from_generator(
            lambda: pictures(side if is_small else None, number, seed),
            output_signature={
                "image": tf.TensorSpec((None, None, 3), tf.uint8),
                "label": tf.TensorSpec((), tf.int64),
            },
        )

    if not (folder / name / VERSION).exists():
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version=VERSION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        encoding_format="png" if is_small else "jpeg"
                    ),
                    "label": tfds.features.ClassLabel(num_classes=4),
                }
            ),
            split_datasets={
                "train": split(count, 0),
                "test": split(math.ceil(count / 8), 1),
            },
            data_dir=folder,
            description="Generated pictures.",
        )
    source = Source(name, data_dir=str(folder))
    return source, source.load(side)


def pictures(side, count, seed):
    """Examples of the data set: squares of pictures, or whole ones."""
    import numpy as np

    from benchmarks.stand_in import picture

    random = np.random.default_rng(seed)
    distinct = [np.array(picture(random)) for _ in range(min(count, PICTURES))]
    for number in range(count):
        pixels = distinct[number % len(distinct)]
        if side:
            top, left = random.integers(0, min(pixels.shape[:2]) - side, 2)
            pixels = pixels[top : top + side, left : left + side]
        yield {"image": pixels, "label": number % 4}


def training_of(recipe, changes, count, **options):
    """A `Training` of a recipe on such images.

    Args:
        recipe: Its name.
        changes: Fields of the recipe, by name.
        count: How many images there are.
        options: Fields of the `Plan`.
    """
    from keras_convmixer.utils.commands import quiet_tensorflow

    quiet_tensorflow()
    from keras_convmixer.runs.plan import Plan
    from keras_convmixer.training.recipes import RECIPES
    from keras_convmixer.training.train import prepare

    changed = RECIPES[recipe].replace(**changes)
    source, data = images(changed.image_size, count)
    return prepare(Plan(changed, source, **options), lambda: data)


def input_rate(recipe, changes, count, seconds):
    """Images a second of reading, decoding, augmentation and mixing."""
    training = training_of(recipe, changes, count, replicas=1)
    batches = iter(training.batches())
    for _ in range(training.steps + 1):
        next(batches)
    done, start = 0, time.perf_counter()
    while time.perf_counter() < start + seconds:
        next(batches)
        done += training.plan.recipe.batch_size
    rate = done / (time.perf_counter() - start)
    return {"images_a_second": round(rate)}


def fit_rate(recipe, changes, count, seconds):
    """Images a second of a training, its input included."""
    from benchmarks.gpu.steps import Memory, fit_seconds, name_of, rates
    from keras_convmixer.training.callbacks import StopOnNaN

    training = training_of(
        recipe, changes, count, replicas=1, mixed_precision="auto"
    )
    size = training.plan.recipe.batch_size

    def fit(steps, callback):
        training.model.fit(
            training.batches(),
            steps_per_epoch=steps,
            shuffle=False,
            verbose=0,
            callbacks=[StopOnNaN(), callback],
        )

    first = fit_seconds(fit, 1)
    memory = Memory(training.devices)
    few = 2 * training.steps
    steps = max(few, round(seconds * few / fit_seconds(fit, few)))
    return rates(
        fit_seconds(fit, steps),
        first,
        steps,
        size,
        memory.peak(),
        name_of(training.devices),
    )


def repeat(recipe, changes, count, steps, deterministic):
    """The largest difference of weights after two trainings of one seed."""
    import keras
    import numpy as np

    weights = []
    for _ in range(2):
        keras.backend.clear_session()
        training = training_of(
            recipe,
            changes,
            count,
            replicas=1,
            mixed_precision="auto",
            deterministic=deterministic,
        )
        training.model.fit(
            training.batches(), steps_per_epoch=steps, shuffle=False, verbose=0
        )
        weights.append(training.model.get_weights())
    from benchmarks.gpu.steps import name_of

    return {
        "difference": max(
            float(np.abs(one - other).max())
            for one, other in zip(*weights, strict=True)
        ),
        "device": name_of(training.devices),
    }
