"""What the Keras model says of the images that files are compared on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from keras_convmixer.evaluation.collect import Batch, collect
from keras_convmixer.evaluation.keras_model import output_kind, output_name
from keras_convmixer.evaluation.output_kind import OutputKind, r_squared

from .converter import full_float32

BATCH_SIZE = 64


@dataclass
class Reference:
    """The Keras model's outputs, and a way to the images that they are for.

    Attributes:
        batches: Gives the images, in the same order each time that it is
            called: an iterator over `[batch, H, W, channels]`.
        outputs: float32 `[N, classes]`.
        labels: As `OutputKind.is_right` takes them, or None where they are
            unknown.
        kind: The `OutputKind` of the model.
        output_name: "probabilities", "logits" or "features".
    """

    batches: Callable[[], Iterator[np.ndarray]]
    outputs: np.ndarray
    labels: np.ndarray | None
    kind: OutputKind
    output_name: str

    @classmethod
    def of_arrays(cls, model, images, labels=None):
        """Of images `[N, H, W, channels]` and their labels or None."""

        def pairs():
            for first in range(0, len(images), BATCH_SIZE):
                part = slice(first, first + BATCH_SIZE)
                yield images[part], None if labels is None else labels[part]

        return cls.of_batches(model, pairs)

    @classmethod
    @full_float32()
    def of_batches(cls, model, pairs):
        """Of what a function gives: an iterator over (images, labels).

        It is called again for each file: no image is kept.
        """
        batches = (Batch(*pair) for pair in pairs())
        outputs, labels = collect(model.predict_on_batch, batches)
        return cls(
            batches=lambda: (images for images, _ in pairs()),
            outputs=outputs,
            labels=labels,
            kind=output_kind(model),
            output_name=output_name(model),
        )

    def __len__(self):
        return len(self.outputs)

    def images(self):
        """The images one by one, each `[1, H, W, channels]`."""
        for batch in self.batches():
            for image in batch:
                yield image[None]

    @full_float32()
    def outputs_of(self, model):
        """What another Keras model gives for the same images."""
        return collect(model.predict_on_batch, map(Batch, self.batches()))[0]

    def top1(self, outputs):
        """Share of the images that are classified rightly, or None."""
        if self.labels is None:
            return None
        return float(self.kind.is_right(outputs, self.labels).mean())

    def agreement(self, outputs, expected=None):
        """Share of the images in which the same is named as by Keras.

        Args:
            outputs: float32 `[N, outputs]`.
            expected: The same of another model; None for the Keras model's.

        Returns:
            None for what names nothing.
        """
        expected = self.outputs if expected is None else expected
        agrees = self.kind.agrees(outputs, expected)
        return None if agrees is None else float(agrees.mean())

    def r_squared(self, outputs):
        """R² of the outputs, relative to Keras.

        None where it is known that they are there to name classes or labels.
        Several outputs without an activation may be logits or the values of
        a regression, unless there are labels.
        """
        may_be_values = self.kind is OutputKind.VALUES or (
            self.output_name == "logits" and self.labels is None
        )
        return r_squared(outputs, self.outputs) if may_be_values else None
