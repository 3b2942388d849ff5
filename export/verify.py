"""Every file that was written is run on real images and compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import binomtest

from keras_convmixer.evaluation.collect import Batch, collect
from keras_convmixer.evaluation.output_kind import has_one_answer
from keras_convmixer.evaluation.runtime import RUNNERS, SavedModel, latency
from keras_convmixer.evaluation.threshold import Answers, Threshold
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.types import StrPath

from .converter import full_float32
from .formats import TABLE
from .reference import Reference

if TYPE_CHECKING:
    import keras

Run = Callable[[np.ndarray], np.ndarray]


@dataclass
class Result:
    """How a file compares with the Keras model on the same images.

    Attributes:
        path: Where it is.
        format: Its name in `export.formats.TABLE`.
        bytes: Its size, of a folder the sum.
        images: How many images it was run on.
        top1: Share of the images that it classifies rightly, of a multi-label
            model those with all labels right; None without labels.
        agreement: Share of the images in which it names what Keras names: the
            same first class or, with a sigmoid, the same labels above 0.5;
            None for what names nothing, such as features.
        agreement_interval: The 95 % interval of that share (Clopper and
            Pearson's, `[low, high]`), as these images are a sample; or None.
        r_squared: For what names nothing, and for logits without labels,
            which may be a regression: R² of its values, relative to Keras,
            from 0 to 1; else None.
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
    images: int
    top1: float | None
    agreement: float | None
    agreement_interval: list[float] | None
    r_squared: float | None
    max_abs_diff: float
    latency_ms: dict[str, float | None]
    io: str = "uint8"
    qat_epochs: int | None = None
    aware_agreement: float | None = None
    threshold: Threshold | None = None
    answers: Answers | None = None

    def falls_short(self, min_agreement: float) -> bool:
        """Whether the images show that it differs from Keras too much.

        Agreement falls short if even the upper end of its interval does; R²
        has no interval.
        """
        ends = self.agreement_interval
        return (ends is not None and ends[1] < min_agreement) or (
            self.r_squared is not None and self.r_squared < min_agreement
        )

    def describe_agreement(self) -> str:
        """As in "agrees with Keras on 39 of 40 images (0.9750, ...)"."""
        words = []
        if self.agreement is not None and self.agreement_interval is not None:
            agreeing = round(self.agreement * self.images)
            low, high = self.agreement_interval
            words.append(
                f"agrees with Keras on {agreeing:,} of {self.images:,} images "
                f"({self.agreement:.4f}, 95 % interval {low:.4f} to {high:.4f})"
            )
        if self.r_squared is not None:
            words.append(
                f"has an R² of {self.r_squared:.4f} relative to Keras on "
                f"{self.images:,} images"
            )
        return " and ".join(words)


class AgreementError(RuntimeError):
    """Files differ from the Keras model on too many images.

    No argument is wrong: the model loses too much accuracy in these formats.

    Attributes:
        results: The `Result`s of the files that were not handed over.
    """

    def __init__(self, results: list[Result], min_agreement: float) -> None:
        described = " and ".join(
            f"{result.path.name} {result.describe_agreement()}"
            for result in results
        )
        super().__init__(
            f"{described}, less than min_agreement={min_agreement}: no file "
            "was written"
        )
        self.results = results


def check_min_agreement(share: float) -> None:
    if not 0 <= share <= 1:
        raise UserError(
            f"min_agreement must be from 0 to 1. Received: {share!r}"
        )


def check_agreement(results: Sequence[Result], min_agreement: float) -> None:
    """An `AgreementError` if a file falls short."""
    if failed := [r for r in results if r.falls_short(min_agreement)]:
        raise AgreementError(failed, min_agreement)


@full_float32()
def verify(
    path: StrPath,
    format: str,
    reference: Reference,
    aware: "keras.Model | None" = None,
) -> Result:
    """Runs a file or a SavedModel and compares it with Keras.

    Args:
        path, format: The file or the SavedModel's folder, and its format.
        reference: What it is compared with.
        aware: The quantisation-aware model that it was converted from, if any.
    """
    load = RUNNERS[TABLE[format].suffix]
    run_single = None if load is SavedModel else load(path, threads=1)
    return compare(path, format, load(path), reference, run_single, aware)


def compare(
    path: StrPath,
    format: str,
    run: Run,
    reference: Reference,
    run_single: Run | None = None,
    aware: "keras.Model | None" = None,
) -> Result:
    """Runs a file as `run` does, and compares it with Keras.

    Args:
        path, format, reference, aware: As for `verify`.
        run: A function from an image `[1, H, W, 3]` to probabilities
            `[1, classes]` that uses all threads.
        run_single: The same with one thread, if the number can be set.
    """
    path = Path(path)
    batches = map(Batch, reference.images())
    outputs, _ = collect(run, batches, len(reference))
    image = next(reference.images())
    agreement = reference.agreement(outputs)
    result = Result(
        path=path,
        format=format,
        bytes=size(path),
        images=len(reference),
        top1=reference.top1(outputs),
        agreement=agreement,
        agreement_interval=interval(agreement, len(reference)),
        r_squared=reference.r_squared(outputs),
        max_abs_diff=float(np.abs(outputs - reference.outputs).max()),
        latency_ms={
            "1": run_single and latency(run_single, image),
            "all": latency(run, image),
        },
    )
    is_answered = has_one_answer(
        reference.kind, reference.output_name, outputs.shape[-1]
    )
    if reference.labels is not None and is_answered:
        result.answers = Answers.of(outputs, reference.labels)
    if aware is not None:
        result.aware_agreement = reference.agreement(
            outputs, reference.outputs_of(aware)
        )
    return result


def interval(agreement: float | None, images: int) -> list[float] | None:
    """The 95 % interval of a share of so many images, or None."""
    if agreement is None:
        return None
    agreeing = round(agreement * images)
    ends = binomtest(agreeing, images).proportion_ci(0.95, "exact")
    return [float(ends.low), float(ends.high)]


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
