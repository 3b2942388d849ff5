"""What a model names in labelled images, and its worst mistakes."""

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from keras_convmixer.evaluation.calibration import with_temperature
from keras_convmixer.evaluation.collect import Batch, run_batches
from keras_convmixer.evaluation.scores import Scores
from keras_convmixer.evaluation.stored_images import StoredImage

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

BATCH_SIZE = 32
SHOWN_MISTAKES = 24
MAX_PROBLEMS = 10  # Of images that can't be read; of more only the number.
# Of as many images as have that many together: 8,388 of 1,000 classes, of
# which a temperature is known to a hundredth.
MAX_PROBABILITIES = 2**23


@dataclass(frozen=True)
class Mistake:
    """An image that was given a wrong class.

    Attributes:
        probabilities: float32 `[classes]`.
        image: uint8 `[H, W, 3]`.
        label: Its own class.
        prediction: The class that it was given.
        stored: The `StoredImage` that it is, or None.
    """

    probabilities: np.ndarray
    image: np.ndarray
    label: int
    prediction: int
    stored: StoredImage | None = None

    @property
    def confidence(self) -> float:
        return float(self.probabilities[self.prediction])


@dataclass
class Predictions:
    """What a model gave for the images that were added.

    Attributes:
        scores: `Scores` of the images whose class the model knows.
        shown_mistakes: How many mistakes are kept.
        step: Of every `step`-th image the probabilities are kept; None for
            no image.
        mistakes: The `Mistake`s of most confidence, the worst first.
        kept: The probabilities that are kept, in parts.
        images: How many images were classified.
        foreign: How many images there are of each class that the model does
            not know, a `Counter`.
        num_unreadable: How many images can't be read.
        problems: What is wrong with the first of them.
        seconds: How long it all took, reading included.
    """

    scores: Scores
    shown_mistakes: int = SHOWN_MISTAKES
    step: int | None = None
    mistakes: list[Mistake] = field(default_factory=list)
    kept: list[np.ndarray] = field(default_factory=list)
    images: int = 0
    foreign: Counter[str] = field(default_factory=Counter)
    num_unreadable: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, batch: Batch, probabilities: np.ndarray | None) -> None:
        """Adds a `Batch` and the probabilities of its images."""
        self.num_unreadable += len(batch.unreadable)
        self.problems += batch.unreadable
        del self.problems[MAX_PROBLEMS:]
        if probabilities is None or not len(batch.images):
            return
        if self.step:
            part = probabilities[-self.images % self.step :: self.step]
            self.kept.append(part.copy())
        self.images += len(batch.images)
        labels = batch.labels
        assert labels is not None, "the images must have labels"
        (known,) = np.nonzero(labels >= 0)
        self.foreign.update(
            stored.label
            for stored, label in zip(batch.stored, labels, strict=False)
            if label < 0 and stored.label is not None
        )
        self.scores.add(probabilities[known], labels[known])
        given = probabilities.argmax(-1)
        self.mistakes += [
            Mistake(
                probabilities=probabilities[i].copy(),
                image=batch.images[i].copy(),
                label=int(labels[i]),
                prediction=int(given[i]),
                stored=batch.stored[i] if batch.stored else None,
            )
            for i in known[given[known] != labels[known]]
        ]
        self.mistakes.sort(key=lambda mistake: -mistake.confidence)
        del self.mistakes[self.shown_mistakes :]

    @property
    def top1(self) -> float:
        return self.scores.top1

    @property
    def labels(self) -> np.ndarray:
        return self.scores.labels

    @property
    def classes(self) -> np.ndarray:
        return self.scores.classes

    @property
    def probabilities(self) -> np.ndarray:
        """Those that are kept: float32 `[ceil(images / step), classes]`."""
        return np.concatenate(self.kept)

    @property
    def labels_of_probabilities(self) -> np.ndarray:
        """The labels of the images whose probabilities are kept, int `[M]`."""
        return self.labels[:: self.step]

    def mistakes_with(self, temperature: float) -> list[Mistake]:
        """The mistakes as they are of a model with a temperature."""
        return [
            dataclasses.replace(
                mistake,
                probabilities=with_temperature(
                    mistake.probabilities, temperature
                ),
            )
            for mistake in self.mistakes
        ]


def predict(
    model: "keras.Model",
    images: "tf.data.Dataset",
    unit_name: str = "image",
    shown_mistakes: int = SHOWN_MISTAKES,
) -> Predictions:
    """Runs a model on images of which it keeps none but the worst mistakes.

    The model gives probabilities; the images are pairs of uint8 `[H, W, 3]`
    and an int64 label, which the progress bar calls `unit_name`.
    """
    count, classes = int(images.cardinality()), model.output_shape[-1]
    result = Predictions(
        Scores(classes),
        shown_mistakes=shown_mistakes,
        step=-(-count * classes // MAX_PROBABILITIES),
    )
    pairs = images.batch(BATCH_SIZE).as_numpy_iterator()
    batches = (Batch(*pair) for pair in pairs)
    for batch, probabilities in run_batches(
        model.predict_on_batch, batches, count, unit_name
    ):
        result.add(batch, probabilities)
    return result
