"""Trainings with real input: its rate, that of the whole, and their repetition.

The images are files in a folder that is made once.
"""

import functools
import math
import tempfile
import time
from pathlib import Path

PICTURES = 100  # Different ones, at most.
SMALL_SIDE = 64  # Pixels, up to which images are cut out of larger ones.


def images_of(side, count):
    """A folder of as many images in four classes, made once; gives its path.

    Args:
        side: Of the images in pixels, up to `SMALL_SIDE`: PNG files. Above,
            they are JPEG files of about 500 x 375.
        count: How many there are.
    """
    from PIL import Image

    from benchmarks.stand_in import write_pictures
    from keras_convmixer.utils.files import replacing

    folder = Path(tempfile.gettempdir(), "keras_convmixer-benchmarks-gpu")
    place = folder / f"{min(side, SMALL_SIDE + 1)}-{count}"
    if place.exists():
        return place
    paths = write_pictures(folder / "pictures", min(count, PICTURES))
    each = math.ceil(count / len(paths))
    with replacing(place) as temporary:
        for number, path in enumerate(paths):
            target = temporary / f"class {number % 4}"
            target.mkdir(parents=True, exist_ok=True)
            if side > SMALL_SIDE:
                for copy in range(each):
                    name = f"{number}-{copy}.jpg"
                    (target / name).hardlink_to(path)
                continue
            with Image.open(path) as image:
                for copy in range(each):
                    left = 7 * copy % (min(image.size) - side)
                    cut = image.crop((left, left, left + side, left + side))
                    cut.save(target / f"{number}-{copy}.png")
    return place


@functools.cache
def images(side, count):
    """Their `Source` and `ImageData`."""
    from keras_convmixer.data.source import Source

    source = Source(image_folder=str(images_of(side, count)))
    return source, source.load(side)


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
