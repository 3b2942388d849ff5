"""The range that a model's images have been scaled to, for apps to do so."""

import warnings

import numpy as np

from keras_convmixer.evaluation.keras_model import input_type
from keras_convmixer.utils.checks import UserError

PIXELS = (0, 255)
USUAL_RANGES = (PIXELS, (0, 1), (-1, 1))
IMAGES = 32  # Of those that are looked at, to find the range.
LEVELS = 16  # Different values of them, at least.
TOLERANCE = 0.01  # Of the step between two levels of a pixel.
OVERSHOOT = 0.1  # Of the range, by which resampling may go beyond it.


def find_normalization(model, input_range, images):
    """How a model's images come from pixels, or None where that is unknown.

    Args:
        model: The model.
        input_range: `(lowest, highest)`: what pixels from 0 to 255 have been
            scaled to; None where the caller does not say.
        images: Some, as the model takes them.

    Returns:
        `(mean, std)`, as for `add_metadata`.

    Raises:
        UserError: If the range is none, or not that of the images.
    """
    takes_pixels = input_type(model) == "uint8"
    if input_range is not None:
        input_range = check_range(input_range)
        if takes_pixels and input_range != PIXELS:
            raise UserError(
                "input_range must be None or (0, 255) for a model that "
                f"normalises pixels itself. Received: {input_range}"
            )
        check_values(images, input_range)
    elif takes_pixels:
        input_range = PIXELS
    else:
        input_range = find_range(images)
    if input_range is None:
        warnings.warn(
            f"{model.name!r} takes normalised images of unknown range: "
            "MediaPipe Tasks, `classify` and `evaluate` refuse the file. Give "
            "input_range=(0, 1) if its images are pixels divided by 255",
            stacklevel=5,
        )
        return None
    low, high = input_range
    std = 255 / (high - low)
    return 0 - low * std, std


def find_range(images):
    """The range that images have been scaled to, if it is beyond doubt.

    That is if all values are levels of 8-bit pixels in one of the usual
    ranges, and in no other.

    Example:

    >>> find_range(np.arange(256) / 255)
    (0, 1)
    """
    values = np.unique(images[:: max(1, len(images) // IMAGES)])
    fitting = []
    for low, high in USUAL_RANGES:
        levels = (values - low) * (255 / (high - low))
        nearest = levels.round().clip(0, 255)
        if np.abs(levels - nearest).max() < TOLERANCE:
            fitting.append((low, high))
    is_certain = len(fitting) == 1 and len(values) >= LEVELS
    return fitting[0] if is_certain else None


def check_range(given):
    """Two numbers, the lower first."""
    try:
        low, high = map(float, given)
        is_range = low < high < np.inf and low > -np.inf
    except (TypeError, ValueError):
        is_range = False
    if not is_range:
        raise UserError(
            "input_range must be (lowest, highest), such as (0, 1). Received: "
            f"{given!r}"
        )
    return low, high


def check_values(images, input_range):
    """An error for images that are not of the range that was given."""
    low, high = input_range
    margin = OVERSHOOT * (high - low)
    least, largest = images.min(), images.max()
    if least < low - margin or largest > high + margin:
        raise UserError(
            f"images must be from {low:g} to {high:g}, the input_range. "
            f"Received: {least:g} to {largest:g}"
        )
