"""What a training reached, on images that it never saw."""

from collections import Counter
from dataclasses import dataclass, field

import keras
import numpy as np

from keras_convmixer.training.plots import (
    plot_augmented,
    plot_confusion,
    plot_history,
    plot_kernels,
    plot_mistakes,
    plot_patches,
)
from keras_convmixer.utils.commands import own_lines
from keras_convmixer.utils.files import write_json

BATCH_SIZE = 32
SHOWN_MISTAKES = 24


@dataclass(frozen=True)
class Mistake:
    """An image that was given a wrong class.

    Attributes:
        confidence: The probability of that class.
        image: uint8 `[H, W, 3]`.
        label: Its own class.
        prediction: The class that it was given.
    """

    confidence: float
    image: np.ndarray
    label: int
    prediction: int


@dataclass
class Predictions:
    """The classes that a model gives to images.

    Attributes:
        labels: Their own classes, int `[N]`.
        classes: Those that they were given, int `[N]`.
        mistakes: The `Mistake`s with the most confidence, the worst first.
    """

    labels: np.ndarray
    classes: np.ndarray
    mistakes: list = field(default_factory=list)

    @property
    def top1(self):
        return float((self.classes == self.labels).mean())

    @property
    def confusions(self):
        """Images by (their own class, the class that they were given)."""
        pairs = zip(self.labels.tolist(), self.classes.tolist(), strict=True)
        return Counter(pairs)


def evaluate(run, data, batches):
    """Writes the accuracy and the pictures of a run's model.

    Mistakes and confusions are those of the test part where there is one.

    Args:
        run: A `RunFolder`.
        data: The `ImageData` that it was trained on.
        batches: The training batches, to be looked at.
    """
    keras.config.set_dtype_policy("float32")  # As the model was saved.
    model, decided = run.trained_model(), run.read_config().plan.decided
    found = held_out = predict(model, data.held_out, "held-out image")
    metrics = {
        "top1": held_out.top1,
        "images": len(held_out.labels),
        "held_out": data.held_out_split,
        "decided": decided,
    }
    if data.test is not None:
        found = predict(model, data.test, "test image")
        metrics["test"] = {
            "top1": found.top1,
            "images": len(found.labels),
            "split": data.test_split,
        }
    plots = run.plots_folder
    plot_history(run.history_path, plots / "history.png")
    plot_confusion(found.confusions, data.classes, plots / "confusion.png")
    plot_mistakes(found.mistakes, data.classes, plots / "mistakes.png")
    plot_augmented(batches, plots / "augmented.png")
    plot_patches(model, plots / "patches.png")
    plot_kernels(model, plots / "kernels.png")
    # Last, since a training that has it is finished.
    write_json(run.metrics_path, metrics)
    print(
        f"held-out top-1 {held_out.top1:.4f} on {len(held_out.labels):,} "
        f"images, which decided {decided}"
    )
    if data.test is not None:
        print(
            f"    test top-1 {found.top1:.4f} on {len(found.labels):,} images, "
            "looked at this once"
        )


def predict(model, images, unit_name="image", shown_mistakes=SHOWN_MISTAKES):
    """Runs a model on images of which it keeps none but the worst mistakes.

    Args:
        model: A `keras.Model` that gives probabilities.
        images: `tf.data.Dataset` of (uint8 `[H, W, 3]`, int64 label).
        unit_name: What the progress bar calls one of them.
        shown_mistakes: How many of its mistakes are kept.

    Returns:
        `Predictions`.
    """
    labels, classes, mistakes = [], [], []
    count = int(images.cardinality())
    bar = keras.utils.Progbar(count, unit_name=unit_name)
    with own_lines():
        for pixels, truth in images.batch(BATCH_SIZE).as_numpy_iterator():
            probabilities = model.predict_on_batch(pixels)
            given, sure = probabilities.argmax(-1), probabilities.max(-1)
            labels.append(truth)
            classes.append(given)
            mistakes += [
                Mistake(
                    confidence=float(sure[i]),
                    image=pixels[i].copy(),
                    label=int(truth[i]),
                    prediction=int(given[i]),
                )
                for i in np.flatnonzero(given != truth)
            ]
            mistakes.sort(key=lambda mistake: -mistake.confidence)
            del mistakes[shown_mistakes:]
            bar.add(len(truth))
    return Predictions(
        labels=np.concatenate(labels),
        classes=np.concatenate(classes),
        mistakes=mistakes,
    )
