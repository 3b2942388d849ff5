"""Every file that was written is run on real images and compared."""

import statistics
import time
from dataclasses import dataclass

import keras
import numpy as np

from .runtime import TFLiteFile, saved_model

TIMED_SECONDS = 1.0


@dataclass
class Result:
    """How a file compares with the Keras model on the same images.

    Attributes:
        file: Its name.
        format: "saved_model" or one of the TFLite formats.
        bytes: Its size, of a folder the sum.
        top1: Share of the images that it classifies rightly.
        agreement: Share for which its first class is Keras' first class.
        max_abs_diff: Largest difference of a probability.
        latency_ms: Median milliseconds for one image, by number of threads:
            "1" and "all"; None where the number cannot be set.
        io: As for `export.tflite.convert`.
        qat_epochs: How long it was trained on under int8 rounding, or None.
        aware_agreement: Share for which its first class is that of the
            quantisation-aware model that was trained, or None.
    """

    file: str
    format: str
    bytes: int
    top1: float
    agreement: float
    max_abs_diff: float
    latency_ms: dict
    io: str = "uint8"
    qat_epochs: int | None = None
    aware_agreement: float | None = None


def verify(path, format, images, labels, expected, rounded=None):
    """Runs a file and compares it with Keras.

    Args:
        path: The file or SavedModel folder.
        format: Its format.
        images: uint8 `[N, H, W, 3]`.
        labels: int `[N]`.
        expected: float32 `[N, classes]`, Keras' probabilities.
        rounded: The same of a quantisation-aware model, if there is one.

    Returns:
        A `Result`.
    """
    single = None
    if format == "saved_model":
        run = saved_model(path)
    else:
        run, single = TFLiteFile(path), TFLiteFile(path, threads=1)
    return compare(path, format, run, images, labels, expected, rounded, single)


def compare(
    path,
    format,
    run,
    images,
    labels,
    expected,
    rounded=None,
    run_single=None,
):
    """Runs a file as `run` does, and compares it with Keras.

    Args:
        path, format, images, labels, expected, rounded: As for `verify`.
        run: A function from an image `[1, H, W, 3]` to probabilities
            `[1, classes]` that uses all threads.
        run_single: The same with one thread, if the number can be set.

    Returns:
        A `Result`.
    """
    progress = keras.utils.Progbar(len(images), unit_name="image")
    outputs = np.empty_like(expected)
    for index, image in enumerate(images):
        outputs[index] = run(image[None])
        progress.add(1)

    single = run_single and latency(run_single, images[:1])
    predicted = outputs.argmax(-1)

    def agreement(others):
        return float((predicted == others.argmax(-1)).mean())

    return Result(
        file=path.name,
        format=format,
        bytes=size(path),
        top1=float((predicted == labels).mean()),
        agreement=agreement(expected),
        max_abs_diff=float(np.abs(outputs - expected).max()),
        latency_ms={"1": single, "all": latency(run, images[:1])},
        aware_agreement=None if rounded is None else agreement(rounded),
    )


def latency(run, image):
    """Median milliseconds of a run, over about `TIMED_SECONDS`."""
    run(image)  # The first call allocates.
    times, end = [], time.perf_counter() + TIMED_SECONDS
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run(image)
        times.append(time.perf_counter() - start)
    return round(1000 * statistics.median(times), 3)


def size(path):
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
