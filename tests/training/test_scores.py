"""Scores of batches are those of all images at once."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from keras_convmixer.evaluation.scores import (
    Scores,
    expected_calibration_error,
    precision_by_confidence,
    ranked,
)

CLASSES = 8


def predictions(count=500, seed=0):
    """Probabilities float32 `[count, CLASSES]` that are somewhat right.

    The last class has no image, the one before is never given.
    """
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES - 1, count)
    scores = random.normal(size=(count, CLASSES))
    scores[np.arange(count), labels] += 1.5
    scores[:, CLASSES - 2] = -9
    exponents = np.exp(scores)
    probabilities = exponents / exponents.sum(-1, keepdims=True)
    return probabilities.astype("float32"), labels


@pytest.fixture(scope="module")
def scored():
    """`Scores` of batches of several sizes, and what was added."""
    probabilities, labels = predictions()
    scores = Scores(CLASSES)
    for part in (slice(0, 1), slice(1, 300), slice(300, None)):
        scores.add(probabilities[part], labels[part])
    return scores, probabilities, labels


def test_accuracies_are_those_of_scikit_learn(scored):
    scores, probabilities, labels = scored
    first = probabilities.argmax(-1)
    assert scores.images == len(labels)
    assert scores.top1 == pytest.approx(metrics.accuracy_score(labels, first))
    assert scores.top5 == pytest.approx(
        metrics.top_k_accuracy_score(
            labels, probabilities, k=5, labels=range(CLASSES)
        )
    )
    assert scores.log_loss == pytest.approx(
        metrics.log_loss(labels, probabilities, labels=range(CLASSES)), rel=1e-5
    )


def test_scores_of_classes_are_those_of_scikit_learn(scored):
    scores, probabilities, labels = scored
    first = probabilities.argmax(-1)
    precision, recall, _, support = metrics.precision_recall_fscore_support(
        labels, first, labels=range(CLASSES), zero_division=np.nan
    )
    np.testing.assert_array_equal(scores.support, support)
    np.testing.assert_allclose(scores.precision, precision)
    np.testing.assert_allclose(scores.recall, recall)
    assert np.isnan(scores.precision[-2])
    assert np.isnan(scores.recall[-1])
    present = metrics.recall_score(
        labels, first, labels=range(CLASSES - 1), average="macro"
    )
    assert scores.mean_recall == pytest.approx(present)
    assert scores.macro_f1 == pytest.approx(
        metrics.f1_score(labels, first, average="macro")
    )
    matrix = metrics.confusion_matrix(labels, first, labels=range(CLASSES))
    assert scores.confusions == {
        (i, j): matrix[i, j] for i, j in zip(*matrix.nonzero(), strict=True)
    }


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_the_calibration_error_is_that_of_scikit_learns_curve(bins):
    probabilities, labels = predictions()
    is_right = probabilities.argmax(-1) == labels
    confidence = probabilities.max(-1).astype("float64")
    accuracy, mean = calibration_curve(is_right, confidence, n_bins=bins)
    counts, _ = np.histogram(confidence, bins, (0, 1))
    share = counts[counts > 0] / len(labels)
    expected = (share * np.abs(accuracy - mean)).sum()
    error = expected_calibration_error(probabilities, labels, bins)
    assert error == pytest.approx(expected, rel=1e-6)


def test_a_sure_and_right_model_is_calibrated():
    assert expected_calibration_error(np.eye(3), np.arange(3)) == 0
    assert expected_calibration_error(np.eye(3), np.array([1, 2, 0])) == 1


def test_coverage_is_that_of_the_sorted_images(scored):
    scores, probabilities, labels = scored
    coverage, precision = scores.coverage
    order = np.argsort(-probabilities.max(-1))
    is_right = (probabilities.argmax(-1) == labels)[order]
    counts = np.round(coverage * len(labels)).astype(int)
    np.testing.assert_allclose(
        precision, is_right.cumsum()[counts - 1] / counts
    )
    assert len(counts) > 100
    assert coverage[-1] == 1
    assert precision[-1] == pytest.approx(scores.top1)


def test_coverage_takes_every_probability():
    counts, lowest, precision = precision_by_confidence(
        np.float32([0, 1, 0]), np.array([False, True, True])
    )
    np.testing.assert_array_equal(counts, [1, 3])
    np.testing.assert_array_equal(lowest, [1, 0])
    np.testing.assert_array_equal(precision, [1, 2 / 3])


def test_of_level_classes_the_first_is_given():
    level = np.float32([[0.25, 0.5, 0.5, 0.25], [0, 0, 0, 0]])
    assert ranked(level).tolist() == [[1, 2, 0, 3], [0, 1, 2, 3]]


def test_probabilities_of_zero_have_a_finite_loss():
    scores = Scores(2)
    scores.add(np.float32([[1, 0]]), np.array([1]))
    assert scores.log_loss == pytest.approx(-np.log(np.finfo("float32").eps))
    assert scores.top5 is None
