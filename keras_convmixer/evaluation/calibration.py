"""Probabilities that are what they say: a temperature, folded into the head.

A temperature T divides the logits (Guo et al., "On Calibration of Modern
Neural Networks", arXiv:1706.04599). The order of the classes stays, and a
dense layer with its weights divided by T has it at no cost.
"""

from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import softmax

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.graph import Step, flatten
from keras_convmixer.utils.labels import class_indices, zeros_and_ones

BATCH_SIZE = 32
LEAST = float(np.finfo(np.float32).tiny)  # Whose logarithm there is.
# A sigmoid in float32 is 1 where its logit is larger than this one's.
MOST_SURE = 1 - float(np.finfo(np.float32).eps)
RANGE = (1e-3, 1e3)  # Of 1 / T.
# What may follow the head; layers and operations.
ACTIVATIONS = ("softmax", "sigmoid")
IDENTITY_LAYERS = ("linear", "dropout", "identity")


def calibrate(
    model: keras.Model, images: ArrayLike, labels: ArrayLike
) -> float:
    """Makes a classifier's probabilities mean what they say, in place.

    Of the images that it is 80 % sure of, about 80 % are then classified
    rightly. The first class of no image changes; the inference model and
    exported files have the temperature too, as it is in the weights.

    Args:
        model: A `keras.Model` whose last layer with weights is dense, with a
            softmax or a sigmoid after it, as `ConvMixer` builds it.
        images: Some hundred that it was not trained on, as it takes them:
            `[N, height, width, channels]`.
        labels: Their classes, integers `[N]` or one-hot `[N, classes]`; for a
            sigmoid 0 or 1, `[N]` for one output and `[N, outputs]` for
            several.

    Returns:
        The temperature, a float: above 1 where the model was too sure.

    Raises:
        UserError: If the model ends in anything else, or labels don't fit.

    Example:

    >>> import numpy as np
    >>> from keras_convmixer import ConvMixer, calibrate
    >>> model = ConvMixer(8, 2, 7, 4, input_shape=(32, 32, 3), classes=2)
    >>> images = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3))
    >>> labels = np.arange(100) % 2
    >>> calibrate(model, images, labels) > 0
    True
    """
    _, activation = find_head(model)
    images = np.asarray(images)
    if not len(images):
        raise UserError("images must be at least one. Received: none")
    probabilities = model.predict(images, BATCH_SIZE, verbose=0)
    if activation == "sigmoid":
        probabilities, labels = as_choices(probabilities, labels)
    temperature = fit_temperature(probabilities, labels)
    fold_temperature(model, temperature)
    return temperature


def fit_temperature(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """The temperature under which the labels are the most likely.

    It minimises the log loss, summed over the images, plus b - log b with
    b = 1 / T: as if b had a gamma distribution with its mode at 1, which
    weighs as little as an image. The sum is convex in b, and its minimum is
    finite also where no image is classified wrongly.

    Args:
        probabilities: float `[N, classes]`, of a softmax.
        labels: int `[N]`.

    Returns:
        A float from 0.001 to 1000.

    Raises:
        UserError: If there is not one label for each row, from 0 to
            classes - 1.
    """
    logits = logarithms(probabilities)
    classes = class_indices(labels, *logits.shape)
    own = logits[np.arange(len(classes)), classes]

    def slope(inverse: float) -> float:
        """The derivative with respect to b, which grows with b."""
        expected = (softmax(inverse * logits, axis=-1) * logits).sum(-1)
        return (expected - own).sum() + 1 - 1 / inverse

    low, high = RANGE
    if slope(low) >= 0:
        return 1 / low
    if slope(high) <= 0:
        return 1 / high
    return float(
        np.exp(-brentq(lambda log: slope(np.exp(log)), *np.log(RANGE)))
    )


def fold_temperature(model: keras.Model, temperature: float) -> None:
    """Divides the logits of a classifier by a temperature, in its weights."""
    head, _ = find_head(model)
    head.set_weights([w / temperature for w in head.get_weights()])


def with_temperature(
    probabilities: ArrayLike, temperature: float
) -> np.ndarray:
    """A softmax's probabilities as they are with a temperature, float32."""
    scaled = softmax(logarithms(probabilities) / temperature, axis=-1)
    return scaled.astype("float32")


def find_head(model: keras.Model) -> tuple[keras.layers.Dense, str]:
    """The last dense layer, and the "softmax" or "sigmoid" after it.

    Raises:
        UserError: If the model ends in anything else.
    """
    steps, step = flatten(model)
    found = [kind_of(step.operation)]
    while found[-1] in (*ACTIVATIONS, *IDENTITY_LAYERS) and not is_dense(step):
        (step,) = step.sources
        found.append(kind_of(step.operation))
    head = step.operation
    activations = [kind for kind in found if kind not in IDENTITY_LAYERS]
    is_plain = is_dense(step) and len(head.weights) <= 2
    is_last = [s.operation for s in steps].count(head) == 1
    if not (is_plain and is_last and activations in (["softmax"], ["sigmoid"])):
        raise UserError(
            "model must end in a dense layer with a softmax or a sigmoid, "
            f"whose logits a temperature divides. Received: {model.name!r}, "
            f"which ends in {', '.join(reversed(found))}"
        )
    return head, activations[0]


def is_dense(step: Step) -> bool:
    return type(step.operation) is keras.layers.Dense


def kind_of(operation: Any) -> str:
    """The name of its activation, or of its class where it has none."""
    activation = getattr(operation, "activation", type(operation))
    return getattr(activation, "__name__", type(operation).__name__).lower()


def as_choices(
    probabilities: np.ndarray, labels: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """What sigmoids `[N, outputs]` say as choices between two classes.

    Returns:
        `(probabilities, labels)`: float `[N * outputs, 2]` and int.
    """
    choices = zeros_and_ones(labels, *probabilities.shape)
    of_one = np.float64(probabilities).ravel().clip(1 - MOST_SURE, MOST_SURE)
    return np.stack([1 - of_one, of_one], axis=-1), choices.ravel()


def logarithms(probabilities: ArrayLike) -> np.ndarray:
    """Logits, but for a constant of each row: float64 `[N, classes]`."""
    return np.log(np.maximum(np.asarray(probabilities, "float64"), LEAST))
