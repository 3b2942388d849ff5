"""Every file that was written is run on real images and compared."""

import statistics
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from .runtime import OnnxFile, SavedModel, TFLiteFile, timings
from .threshold import Answers, Threshold

TIMED_SECONDS = 0.2


@dataclass
class Result:
    """How a file compares with the Keras model on the same images.

    Attributes:
        path: Where it is.
        format: One of `export.FORMATS`.
        bytes: Its size, of a folder the sum.
        top1: Share of the images that it classifies rightly; None without
            labels.
        agreement: Share for which its first class is Keras' first class; None
            for features.
        max_abs_diff: Largest difference of a probability, or of what else
            the model gives.
        latency_ms: Median milliseconds for one image, by number of threads:
            "1" and "all"; None where the number cannot be set.
        io: As for `export.tflite.convert`.
        qat_epochs: Epochs of quantisation-aware fine-tuning, or None.
        aware_agreement: Share for which its first class is that of the
            quantisation-aware model that it was converted from, or None.
        threshold: The `Threshold` of a precision that was asked for, or None.
        answers: Its `Answers` of the images; None without labels, and for
            what gives no probabilities.
    """

    path: Path
    format: str
    bytes: int
    top1: float | None
    agreement: float | None
    max_abs_diff: float
    latency_ms: dict
    io: str = "uint8"
    qat_epochs: int | None = None
    aware_agreement: float | None = None
    threshold: Threshold | None = None
    answers: Answers | None = None


def verify(path, format, reference, aware=None):
    """Runs a file or a SavedModel and compares it with Keras.

    Args:
        path: The file or the SavedModel's folder, a `str` or `Path`.
        format: Its format.
        reference: A `Reference`.
        aware: The quantisation-aware model that it was converted from, if any.

    Returns:
        A `Result`.
    """
    if format == "saved_model":
        return compare(path, format, SavedModel(path), reference)
    load = OnnxFile if format == "onnx" else TFLiteFile
    return compare(
        path,
        format,
        load(path),
        reference,
        run_single=load(path, threads=1),
        aware=aware,
    )


def compare(path, format, run, reference, run_single=None, aware=None):
    """Runs a file as `run` does, and compares it with Keras.

    Args:
        path, format, reference, aware: As for `verify`.
        run: A function from an image `[1, H, W, 3]` to probabilities
            `[1, classes]` that uses all threads.
        run_single: The same with one thread, if the number can be set.

    Returns:
        A `Result`.
    """
    path = Path(path)
    progress = keras.utils.Progbar(len(reference), unit_name="image")
    outputs = np.empty_like(reference.outputs)
    for index, image in enumerate(reference.images()):
        outputs[index] = run(image)[0]
        progress.add(1)

    image = next(reference.images())
    result = Result(
        path=path,
        format=format,
        bytes=size(path),
        top1=reference.top1(outputs),
        agreement=reference.agreement(outputs),
        max_abs_diff=float(np.abs(outputs - reference.outputs).max()),
        latency_ms={
            "1": run_single and latency(run_single, image),
            "all": latency(run, image),
        },
    )
    if reference.labels is not None and reference.kind == "probabilities":
        result.answers = Answers.of(outputs, reference.labels)
    if aware is not None:
        result.aware_agreement = reference.agreement(
            outputs, reference.outputs_of(aware)
        )
    return result


def latency(run, image):
    """Median milliseconds of a run, over about `TIMED_SECONDS`."""
    return round(statistics.median(timings(run, image, TIMED_SECONDS)), 3)


def size(path):
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
