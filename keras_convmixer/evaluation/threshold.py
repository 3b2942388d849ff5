"""The probability below which a file had better say that it is not sure."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from keras_convmixer.evaluation.collect import Batch, collect
from keras_convmixer.evaluation.runtime import TFLiteFile
from keras_convmixer.evaluation.scores import precision_by_confidence

INTERVAL = 0.95


@dataclass(frozen=True)
class Threshold:
    """What is answered if a class needs a least probability.

    Attributes:
        wanted: The precision that was asked for.
        value: The least probability of a first class for an answer; 0 where
            every image can be answered, None where nothing reaches `wanted`.
        most: The highest precision that any threshold reaches on the images
            that it was chosen on.
        precision: Share of the answers that are right, on images that did not
            choose the threshold; None without an answer.
        low, high: Its 95 % interval.
        coverage: Share of those images that are answered.
        images: Their number.
        of: Which they are, in words.
    """

    wanted: float
    value: float | None
    most: float
    precision: float | None
    low: float
    high: float
    coverage: float
    images: int
    of: str

    def __str__(self) -> str:
        if self.value is None:
            return (
                f"no threshold has a precision of {self.wanted:.3g} on the "
                f"held-out images: {self.most:.3f} is the most"
            )
        answers = f"below {self.value:.4f} not sure"
        if not self.value:
            answers = "every image can be answered"
        if self.precision is None:
            return f"{answers}; of {self.of} none is answered"
        return (
            f"{answers}; {self.precision:.3f} of the answers are right (95 % "
            f"interval {self.low:.3f} to {self.high:.3f}) and "
            f"{self.coverage:.1%} are answered of {self.images:,} images "
            f"({self.of})"
        )


@dataclass(frozen=True)
class Answers:
    """How sure a file is of what it names, and whether that is right.

    A file with one output names class 1 alone.

    Attributes:
        confidence: float `[N]`.
        is_right: bool `[N]`.
    """

    confidence: np.ndarray
    is_right: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray, labels: np.ndarray) -> "Answers":
        """Of float `[N, classes]` and int `[N]`."""
        if probabilities.shape[-1] == 1:
            return cls(probabilities[:, 0], labels.ravel() == 1)
        return cls(probabilities.max(-1), probabilities.argmax(-1) == labels)


def answers_on(path, images):
    """The `Answers` of a TFLite file that gives probabilities.

    `images` are pairs of an image `[H, W, 3]` and its int label, a
    `tf.data.Dataset` or a list.
    """
    batches = (
        Batch(np.asarray(image)[None], np.array([int(label)]))
        for image, label in images
    )
    run, unit_name = TFLiteFile(path), "image for the threshold"
    return Answers.of(*collect(run, batches, len(images), unit_name))


def find_threshold(wanted, held_out, test=None):
    """The `Threshold` of a file, from its own probabilities.

    Args:
        wanted: The precision that its answers shall have.
        held_out: Its `Answers` of the images that choose the threshold.
        test: Those of images that only measure it. Without them, each half
            of the held-out images measures the threshold of the other.
    """
    confidence, is_right = held_out.confidence, held_out.is_right
    value, most = least_threshold(confidence, is_right, wanted)
    if test is None:
        of = "held out, each half with the threshold of the other"
        answered = cross_answered(confidence, is_right, wanted)
    else:
        of, is_right = "test", test.is_right
        answered = test.confidence >= (np.inf if value is None else value)
    count, right = int(answered.sum()), int(is_right[answered].sum())
    low, high = wilson_interval(right, count)
    return Threshold(
        wanted=wanted,
        value=value,
        most=most,
        precision=right / count if count else None,
        low=low,
        high=high,
        coverage=count / len(answered),
        images=len(answered),
        of=of,
    )


def least_threshold(confidence, is_right, wanted):
    """The least threshold whose answers are right as often as wanted.

    Returns:
        `(threshold, most)`: halfway to the next confidence that is refused, 0
        if none is, None if there is no such threshold; the highest share that
        any threshold has.

    Example:

    >>> least_threshold([0.9, 0.8, 0.6], [True, True, False], wanted=0.9)
    (0.7, 1.0)
    """
    _, lowest, precision = precision_by_confidence(confidence, is_right)
    most = float(precision.max())
    reached = np.flatnonzero(precision >= wanted)
    if not len(reached):
        return None, most
    last = reached[-1]
    if last + 1 == len(lowest):
        return 0.0, most
    return round(float(lowest[last] + lowest[last + 1]) / 2, 6), most


def cross_answered(confidence, is_right, wanted):
    """Which images are answered, each half by the threshold of the other."""
    answered = np.zeros(len(confidence), bool)
    for part in (0, 1):
        own, other = slice(part, None, 2), slice(1 - part, None, 2)
        value, _ = least_threshold(confidence[other], is_right[other], wanted)
        if value is not None:
            answered[own] = confidence[own] >= value
    return answered


def wilson_interval(right, count):
    """Wilson's score interval, which holds near 0 and 1 too.

    Returns:
        `(low, high)`; (0, 1) where nothing was seen.
    """
    if not count:
        return 0.0, 1.0
    ends = binomtest(int(right), int(count)).proportion_ci(INTERVAL, "wilson")
    return float(ends.low), float(ends.high)
