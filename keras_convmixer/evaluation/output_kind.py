"""What the outputs of a model say of an image, and how a file is scored.

The one place that decides when a file and the Keras model agree.
"""

from enum import Enum

import numpy as np

# Of the magnitude of the values: what differs by less counts as equal, since
# float32 itself is not more exact after some dozen layers.
RESOLUTION = 1e-4


class OutputKind(Enum):
    """How the outputs of a model are read.

    Attributes:
        CLASSES: The largest output names the one class of the image: a
            softmax, or logits of several classes.
        LABELS: Each output is the probability of a label of its own, which is
            named above 0.5: a sigmoid, of one output or several.
        VALUES: Numbers that name nothing: features, a single output without
            an activation, any other activation.
    """

    CLASSES = "classes"
    LABELS = "labels"
    VALUES = "values"

    def named(self, outputs):
        """What is named in each image, to be compared with `==`.

        Args:
            outputs: float `[N, outputs]`.

        Returns:
            CLASSES: int `[N, 1]`; LABELS: bool `[N, outputs]`; VALUES: bool
            `[N, outputs]`, as of logits, for who gives labels of them.
        """
        if self is OutputKind.CLASSES:
            return outputs.argmax(-1)[:, None]
        return outputs > (0.5 if self is OutputKind.LABELS else 0)

    def is_right(self, outputs, labels):
        """Which images are named as their labels say, bool `[N]`.

        Args:
            outputs: float `[N, outputs]`.
            labels: int `[N]` for CLASSES, else 0 or 1 `[N, outputs]`.
        """
        labels = labels.reshape(len(labels), -1)
        return (self.named(outputs) == labels).all(-1) & are_finite(outputs)

    def agrees(self, outputs, expected):
        """In which images two models name the same, bool `[N]`.

        None for VALUES, which name nothing. An image whose outputs are NaN
        or infinite never agrees.
        """
        if self is OutputKind.VALUES:
            return None
        is_same = (self.named(outputs) == self.named(expected)).all(-1)
        return is_same & are_finite(outputs)


def has_one_answer(kind, output_name, outputs):
    """Whether a model gives probabilities, and one of them is its answer.

    Args:
        kind: Its `OutputKind`.
        output_name: "probabilities", "logits" or "features".
        outputs: Their number; a single one is the probability of class 1.
    """
    is_one = kind is OutputKind.CLASSES or outputs == 1
    return is_one and output_name == "probabilities"


def are_finite(outputs):
    return np.isfinite(outputs).all(-1)


def r_squared(outputs, expected):
    """How closely values follow the expected ones: R², at least 0.

    The squared differences, relative to the variance of the expected values
    about the mean of each output: 1 if they are equal, 0 if they are no
    better than that mean. Outputs that hardly vary are compared with a
    ten-thousandth of their magnitude instead.

    Args:
        outputs, expected: float `[N, ..., outputs]`.
    """
    expected = np.float64(expected)
    means = expected.mean(tuple(range(expected.ndim - 1)))
    variation = ((expected - means) ** 2).sum()
    variation = max(variation, RESOLUTION**2 * (expected**2).sum())
    error = ((outputs - expected) ** 2).sum()
    if error == 0:
        return 1.0
    if not error < variation:  # So is NaN.
        return 0.0
    return float(1 - error / variation)
