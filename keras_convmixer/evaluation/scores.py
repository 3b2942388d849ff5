"""Accuracy, calibration and confusions of a classifier.

Some 30 bytes are kept of an image, and neither its pixels nor its outputs.
"""

from collections import Counter

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import precision_recall_fscore_support

BINS = 15  # Of the confidence, for the calibration error.
# A file in eight bits gives probabilities of zero, which have no logarithm.
MIN_PROBABILITY = float(np.finfo(np.float32).eps)


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS
) -> float:
    """How far the confidence is from the accuracy, on average.

    Images are sorted into bins by the probability of their first class; the
    error is the mean over the images of the difference between a bin's mean
    confidence and its accuracy (Guo et al., "On Calibration of Modern Neural
    Networks", arXiv:1706.04599, equation 3).

    Args:
        probabilities: float `[N, classes]`.
        labels: int `[N]`.
        bins: How many bins of one width there are from 0 to 1.
    """
    probabilities = np.asarray(probabilities)
    is_right = probabilities.argmax(-1) == np.asarray(labels)
    return Reliability(probabilities.max(-1), is_right, bins).error


class Reliability:
    """Confidence and accuracy of images in bins of their confidence.

    Args:
        confidence: float `[N]`, from 0 to 1.
        is_right: bool `[N]`.
        bins: How many bins there are; each holds its upper edge.

    Attributes:
        edges: float `[bins + 1]`, from 0 to 1.
        counts: int `[bins]`, images.
        right: float `[bins]`, how many of them were classified rightly.
        confidence: float `[bins]`, the sum of their confidence.
    """

    def __init__(
        self, confidence: ArrayLike, is_right: ArrayLike, bins: int = BINS
    ) -> None:
        self.edges = np.linspace(0, 1, bins + 1)
        indices = np.searchsorted(self.edges[1:-1], confidence)
        self.counts = np.bincount(indices, minlength=bins)
        self.right = np.bincount(indices, np.asarray(is_right, float), bins)
        self.confidence = np.bincount(
            indices, np.asarray(confidence, float), bins
        )

    @property
    def error(self) -> float:
        """The expected calibration error."""
        differences = np.abs(self.confidence - self.right).sum()
        return float(differences / self.counts.sum())


def precision_by_confidence(
    confidence: ArrayLike, is_right: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The precision of the most confident images, for every number of them.

    Images of equal confidence are taken together.

    Returns:
        `(counts, lowest, precision)`, `[points]` each: a number of images,
        the lowest confidence among them, and the share that was classified
        rightly.
    """
    confidence = np.asarray(confidence)
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    counts = np.arange(1, len(order) + 1)
    precision = np.cumsum(np.asarray(is_right)[order]) / counts
    is_end = np.append(ranked[1:] != ranked[:-1], True)
    return counts[is_end], ranked[is_end], precision[is_end]


class Scores:
    """What a classifier reached on the labelled images that were added.

    Where scikit-learn has the same score, it is the same number.

    Args:
        classes: How many classes the classifier has.

    Example:

    >>> scores = Scores(classes=2)
    >>> scores.add(np.array([[0.8, 0.2], [0.6, 0.4]]), np.array([0, 1]))
    >>> scores.top1, scores.mean_recall
    (0.5, 0.5)
    """

    def __init__(self, classes: int) -> None:
        self.num_classes = classes
        self._batches: list[tuple[np.ndarray, ...]] = []

    def add(self, probabilities: np.ndarray, labels: np.ndarray) -> None:
        """Adds images.

        Args:
            probabilities: float `[N, classes]`.
            labels: int `[N]`, their classes.
        """
        first = ranked(probabilities)[:, :5]
        self._batches.append(
            (
                labels.copy(),
                first[:, 0].copy(),
                probabilities.max(-1),
                probabilities[np.arange(len(labels)), labels],
                (first == labels[:, None]).any(-1),
            )
        )

    def _column(self, index: int) -> np.ndarray:
        parts = [batch[index] for batch in self._batches]
        return np.concatenate(parts) if parts else np.zeros(0, int)

    @property
    def labels(self) -> np.ndarray:
        """The classes of the images, int `[N]`."""
        return self._column(0)

    @property
    def classes(self) -> np.ndarray:
        """The first class that each image was given, int `[N]`."""
        return self._column(1)

    @property
    def confidence(self) -> np.ndarray:
        """The probability of that class, float `[N]`."""
        return self._column(2)

    @property
    def is_right(self) -> np.ndarray:
        """Whether it is the image's own class, bool `[N]`."""
        return self.classes == self.labels

    @property
    def images(self) -> int:
        """How many images were added."""
        return len(self.labels)

    @property
    def confusions(self) -> Counter[tuple[int, int]]:
        """Counts of (label, first class), a `Counter`."""
        pairs = zip(self.labels.tolist(), self.classes.tolist(), strict=True)
        return Counter(pairs)

    @property
    def top1(self) -> float:
        """Share of the images whose first class is their own."""
        return float(self.is_right.mean())

    @property
    def top5(self) -> float | None:
        """Share whose own class is among the first five; None for fewer."""
        return float(self._column(4).mean()) if self.num_classes > 5 else None

    @property
    def log_loss(self) -> float:
        """Mean of -log(probability of the own class), in nats."""
        own = self._column(3).astype("float64")
        own = own.clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
        return float(-np.log(own).mean())

    @property
    def reliability(self) -> Reliability:
        """The `Reliability` of all images."""
        return Reliability(self.confidence, self.is_right)

    @property
    def ece(self) -> float:
        """The expected calibration error."""
        return self.reliability.error

    @property
    def coverage(self) -> tuple[np.ndarray, np.ndarray]:
        """`(coverage, precision)` of the most confident images.

        float `[points]` each: a share of the images, and how many of these
        were classified rightly.
        """
        counts, _, precision = precision_by_confidence(
            self.confidence, self.is_right
        )
        return counts / self.images, precision

    def by_class(
        self,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Precision, recall and F1 of each class, and its images.

        Returns:
            `(precision, recall, f1, support)`, `[classes]` each. Precision is
            NaN for a class that was never given, recall for one without
            images, F1 for one that is both.
        """
        return precision_recall_fscore_support(
            self.labels,
            self.classes,
            labels=range(self.num_classes),
            zero_division=np.nan,
        )

    @property
    def support(self) -> np.ndarray:
        """Images of each class, int `[classes]`."""
        return self.by_class()[3]

    @property
    def recall(self) -> np.ndarray:
        """Of each class, float `[classes]`; NaN where there is no image."""
        return self.by_class()[1]

    @property
    def precision(self) -> np.ndarray:
        """Of each class, float `[classes]`; NaN where it was never given."""
        return self.by_class()[0]

    @property
    def mean_recall(self) -> float:
        """Over the classes that have images."""
        return float(np.nanmean(self.recall))

    @property
    def macro_f1(self) -> float:
        """Mean over the classes that have images or were given to some."""
        return float(np.nanmean(self.by_class()[2]))


def ranked(probabilities: np.ndarray) -> np.ndarray:
    """The classes of each row, the most probable first: int `[N, classes]`.

    Of classes that are level the first comes first, as with `argmax`.
    """
    return np.argsort(-probabilities, axis=-1, kind="stable")
