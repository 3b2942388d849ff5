"""Accuracy, calibration and confusions, from sums of one batch after another.

Nothing here grows with the number of images.
"""

from collections import Counter

import numpy as np

BINS = 15  # Of the confidence, for the calibration error.
COVERAGE_BINS = 1000
# A file in eight bits gives probabilities of zero, whose logarithm is none.
LEAST = float(np.finfo(np.float32).eps)


def expected_calibration_error(probabilities, labels, bins=BINS):
    """How far the confidence is from the accuracy, on average.

    Images are sorted into bins by the probability of their first class; the
    error is the mean over the images of the difference between a bin's mean
    confidence and its accuracy (Guo et al., "On Calibration of Modern Neural
    Networks", arXiv:1706.04599, equation 3).

    Args:
        probabilities: float `[N, classes]`.
        labels: int `[N]`.
        bins: How many bins of one width there are from 0 to 1.

    Returns:
        A float from 0 to 1.

    Example:

    >>> expected_calibration_error([[0.75, 0.25], [0.25, 0.75]], [0, 0])
    0.25
    """
    probabilities = np.asarray(probabilities)
    reliability = Reliability(bins)
    is_right = probabilities.argmax(-1) == np.asarray(labels)
    reliability.add(probabilities.max(-1), is_right)
    return reliability.error


class Reliability:
    """Confidence and accuracy of images in bins of their confidence.

    Args:
        bins: How many there are; each holds its upper edge.

    Attributes:
        edges: float `[bins + 1]`, from 0 to 1.
        counts: int `[bins]`, images.
        right: int `[bins]`, those of them that were classified rightly.
        confidence: float `[bins]`, the sum of their confidence.
    """

    def __init__(self, bins=BINS):
        self.edges = np.linspace(0, 1, bins + 1)
        self.counts = np.zeros(bins, int)
        self.right = np.zeros(bins, int)
        self.confidence = np.zeros(bins)

    def add(self, confidence, is_right):
        """Adds images: float `[N]` from 0 to 1 and bool `[N]`."""
        bins = np.searchsorted(self.edges[1:-1], confidence)
        np.add.at(self.counts, bins, 1)
        np.add.at(self.right, bins, is_right)
        np.add.at(self.confidence, bins, confidence)

    @property
    def error(self):
        """The expected calibration error."""
        differences = np.abs(self.confidence - self.right).sum()
        return float(differences / self.counts.sum())


class Coverage:
    """How often the images are right about which a model is surest.

    The bins are of one width in the logarithm of the odds: a trained network
    has most of its images close to a confidence of 1.
    """

    def __init__(self):
        odds = np.exp(np.linspace(-7, 17, COVERAGE_BINS - 1))
        self.edges = odds / (1 + odds)
        self.counts = np.zeros(COVERAGE_BINS, int)
        self.right = np.zeros(COVERAGE_BINS, int)

    def add(self, confidence, is_right):
        """Adds images: float `[N]` from 0 to 1 and bool `[N]`."""
        bins = np.searchsorted(self.edges, confidence)
        np.add.at(self.counts, bins, 1)
        np.add.at(self.right, bins, is_right)

    def curve(self):
        """Points of the curve, those of the surest images first.

        Returns:
            `(coverage, precision)`, float `[points]` each: a share of the
            images, and how many of these were classified rightly.
        """
        is_used = self.counts[::-1] > 0
        counts = self.counts[::-1].cumsum()[is_used]
        right = self.right[::-1].cumsum()[is_used]
        return counts / self.counts.sum(), right / counts


class Scores:
    """What a classifier reached on the labelled images that were added.

    Where scikit-learn has the same score, it is the same number.

    Args:
        classes: How many classes the classifier has.

    Attributes:
        images: How many images were added.
        confusions: Counts of (label, first class), a `Counter`.
        reliability: A `Reliability`.
        coverage: A `Coverage`.

    Example:

    >>> scores = Scores(classes=2)
    >>> scores.add(np.array([[0.8, 0.2], [0.6, 0.4]]), np.array([0, 1]))
    >>> scores.top1, scores.mean_recall
    (0.5, 0.5)
    """

    def __init__(self, classes):
        self.images = 0
        self.confusions = Counter()
        self.reliability = Reliability()
        self.coverage = Coverage()
        self._among_five = 0
        self._surprise = 0.0
        self._support = np.zeros(classes, int)
        self._given = np.zeros(classes, int)
        self._right = np.zeros(classes, int)

    def add(self, probabilities, labels):
        """Adds images.

        Args:
            probabilities: float `[N, classes]`.
            labels: int `[N]`, their classes.
        """
        first = ranked(probabilities)[:, :5]
        is_right = first[:, 0] == labels
        confidence = probabilities.max(-1)
        own = probabilities[np.arange(len(labels)), labels]
        self.images += len(labels)
        self.confusions.update(
            zip(labels.tolist(), first[:, 0].tolist(), strict=True)
        )
        self.reliability.add(confidence, is_right)
        self.coverage.add(confidence, is_right)
        self._among_five += int((first == labels[:, None]).sum())
        self._surprise -= float(np.log(own.clip(LEAST, 1 - LEAST)).sum())
        np.add.at(self._support, labels, 1)
        np.add.at(self._given, first[:, 0], 1)
        np.add.at(self._right, labels, is_right)

    @property
    def top1(self):
        """Share of the images whose first class is their own."""
        return float(self._right.sum() / self.images)

    @property
    def top5(self):
        """Share whose own class is among the first five; None for fewer."""
        if len(self._support) <= 5:
            return None
        return self._among_five / self.images

    @property
    def log_loss(self):
        """Mean of -log(probability of the own class), in nats."""
        return self._surprise / self.images

    @property
    def ece(self):
        """The expected calibration error."""
        return self.reliability.error

    @property
    def support(self):
        """Images of each class, int `[classes]`."""
        return self._support

    @property
    def recall(self):
        """Of each class, float `[classes]`; NaN where there is no image."""
        return divided(self._right, self._support)

    @property
    def precision(self):
        """Of each class, float `[classes]`; NaN where it was never given."""
        return divided(self._right, self._given)

    @property
    def mean_recall(self):
        """Over the classes that have images."""
        return float(np.nanmean(self.recall))

    @property
    def macro_f1(self):
        """Mean over the classes that have images or were given to some."""
        f1 = divided(2 * self._right, self._support + self._given)
        return float(np.nanmean(f1))


def ranked(probabilities):
    """The classes of each row, the most probable first: int `[N, classes]`.

    Of classes that are level the first comes first, as with `argmax`.
    """
    return np.argsort(-probabilities, axis=-1, kind="stable")


def divided(counts, totals):
    """`counts / totals`; NaN where a total is 0."""
    empty = np.full(len(totals), np.nan)
    return np.divide(counts, totals, out=empty, where=totals > 0)
