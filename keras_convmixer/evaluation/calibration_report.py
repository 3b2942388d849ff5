"""Calibration error before and after, on data not used for fitting."""

import numpy as np

from keras_convmixer.evaluation.calibration import (
    fit_temperature,
    with_temperature,
)
from keras_convmixer.evaluation.scores import (
    Reliability,
    expected_calibration_error,
)


def calibration_of(found, held_out, temperature):
    """The calibration of a model, a dict for `metrics.json`.

    Args:
        found: The `Predictions` of the calibrated model for the test part;
            `held_out` where there is none.
        held_out: Those of the model as it was trained, for the held-out
            images.
        temperature: What fits them.
    """
    before, after, labels = before_and_after(found, held_out, temperature)
    images = "test"
    if found is held_out:
        images = "held out, each half with the temperature of the other"
    return {
        "temperature": temperature,
        "ece_before": expected_calibration_error(before, labels),
        "ece": expected_calibration_error(after, labels),
        "ece_by_chance": error_by_chance(after),
        "images": len(labels),
        "of": images,
    }


def format_calibration(calibration):
    """The same as a line of text."""
    return (
        f"temperature {calibration['temperature']:.2f}, calibration error "
        f"{calibration['ece_before']:.4f} before, {calibration['ece']:.4f} "
        f"after ({calibration['ece_by_chance']:.4f} expected if perfectly "
        f"calibrated) on {calibration['images']:,} images "
        f"({calibration['of']})"
    )


def before_and_after(found, held_out, temperature):
    """Probabilities without and with a temperature that other images gave.

    Returns:
        `(before, after, labels)`: float32 `[N, classes]` twice, int `[N]`.
    """
    labels = found.labels_of_probabilities
    if found is held_out:
        before = held_out.probabilities
        return before, cross_fitted(before, labels), labels
    after = found.probabilities
    return with_temperature(after, 1 / temperature), after, labels


def cross_fitted(probabilities, labels):
    """Probabilities with temperatures that other images gave.

    Each half of the images gets the temperature that fits the other half, so
    that no image measures a temperature that it chose.
    """
    result = np.empty(np.shape(probabilities), "float32")
    for part in (0, 1):
        own, other = slice(part, None, 2), slice(1 - part, None, 2)
        temperature = fit_temperature(probabilities[other], labels[other])
        result[own] = with_temperature(probabilities[own], temperature)
    return result


def error_by_chance(probabilities, draws=100):
    """The mean calibration error of labels drawn as the probabilities say.

    Of few images it is not 0: the share that is classified rightly differs
    from the confidence by chance.
    """
    random = np.random.default_rng(0)
    confidence = np.max(probabilities, axis=-1)
    errors = [
        Reliability(
            confidence, random.random(len(confidence)) < confidence
        ).error
        for _ in range(draws)
    ]
    return float(np.mean(errors))
