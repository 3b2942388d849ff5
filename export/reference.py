"""What the Keras model says of the images that files are compared on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .interface import output_name

BATCH = 64


@dataclass
class Reference:
    """The Keras model's outputs, and a way to the images that they are for.

    Attributes:
        batches: Gives the images, in the same order each time that it is
            called: an iterator over `[batch, H, W, channels]`.
        outputs: float32 `[N, classes]`.
        labels: int `[N]`, or None where they are unknown.
        kind: "probabilities", "logits" or "features".
    """

    batches: Callable[[], Iterator[np.ndarray]]
    outputs: np.ndarray
    labels: np.ndarray | None
    kind: str

    @classmethod
    def of_dataset(cls, model, dataset):
        """Of a `tf.data.Dataset` of batches of (images, int labels).

        The images are read again for each file: none is kept.
        """
        outputs, labels = [], []
        for images, numbers in dataset.as_numpy_iterator():
            outputs.append(model.predict_on_batch(images))
            labels.append(numbers)

        def batches():
            return (images for images, _ in dataset.as_numpy_iterator())

        return cls(
            batches=batches,
            outputs=np.concatenate(outputs),
            labels=np.concatenate(labels),
            kind=output_name(model),
        )

    @classmethod
    def of_arrays(cls, model, images, labels=None):
        """Of images `[N, H, W, channels]` and int labels `[N]` or None."""

        def batches():
            for first in range(0, len(images), BATCH):
                yield images[first : first + BATCH]

        return cls(
            batches=batches,
            outputs=model.predict(images, BATCH, verbose=0),
            labels=labels,
            kind=output_name(model),
        )

    def __len__(self):
        return len(self.outputs)

    def images(self):
        """The images one by one, each `[1, H, W, channels]`."""
        for batch in self.batches():
            for image in batch:
                yield image[None]

    def outputs_of(self, model):
        """What another Keras model gives for the same images."""
        return np.concatenate(
            [model.predict_on_batch(batch) for batch in self.batches()]
        )

    def top1(self, outputs):
        """Share of the images that are classified rightly, or None."""
        if self.labels is None or self.kind == "features":
            return None
        return float(np.mean(self.first_class(outputs) == self.labels))

    def agreement(self, outputs, expected=None):
        """Share of the images whose first class is the expected one.

        Args:
            outputs: float32 `[N, classes]`.
            expected: The same of another model; None for the Keras model's.

        Returns:
            None for features, which name no class.
        """
        if self.kind == "features":
            return None
        expected = self.outputs if expected is None else expected
        same = self.first_class(outputs) == self.first_class(expected)
        return float(np.mean(same))

    def first_class(self, outputs):
        """The most probable class of each row; of a single one, 0 or 1."""
        if outputs.shape[-1] == 1:
            return outputs[:, 0] > (0.5 if self.kind == "probabilities" else 0)
        return outputs.argmax(-1)
