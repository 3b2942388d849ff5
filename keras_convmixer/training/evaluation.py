"""What a training reached, on images that it never saw."""

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import keras
import numpy as np

from keras_convmixer.training.calibration import (
    fit_temperature,
    fold_temperature,
    with_temperature,
)
from keras_convmixer.training.calibration_report import (
    calibration_of,
    words_of_calibration,
)
from keras_convmixer.training.compile import dtype_policy
from keras_convmixer.training.plots import (
    draw_all,
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
# Of as many images as have that many together: 8,388 of 1,000 classes, of
# which a temperature is known to a hundredth.
MOST_PROBABILITIES = 2**23


@dataclass(frozen=True)
class Mistake:
    """An image that was given a wrong class.

    Attributes:
        probabilities: float32 `[classes]`.
        image: uint8 `[H, W, 3]`.
        label: Its own class.
        prediction: The class that it was given.
    """

    probabilities: np.ndarray
    image: np.ndarray
    label: int
    prediction: int

    @property
    def confidence(self):
        return float(self.probabilities[self.prediction])

    def calibrated(self, temperature):
        """The same with the probabilities that a temperature gives."""
        (row,) = with_temperature(self.probabilities[None], temperature)
        return dataclasses.replace(self, probabilities=row)


@dataclass
class Predictions:
    """The classes that a model gives to images.

    Attributes:
        labels: Their own classes, int `[N]`.
        classes: Those that they were given, int `[N]`.
        probabilities: Of every `step`-th image, so that they are not too
            many: float32 `[ceil(N / step), classes]`.
        step: As above.
        mistakes: The `Mistake`s with the most confidence, the worst first.
    """

    labels: np.ndarray
    classes: np.ndarray
    probabilities: np.ndarray
    step: int
    mistakes: list = field(default_factory=list)

    @property
    def top1(self):
        return float((self.classes == self.labels).mean())

    @property
    def confusions(self):
        """Images by (their own class, the class that they were given)."""
        pairs = zip(self.labels.tolist(), self.classes.tolist(), strict=True)
        return Counter(pairs)

    @property
    def labels_of_probabilities(self):
        """The labels of the images whose probabilities are kept, int `[M]`."""
        return self.labels[:: self.step]

    def calibrated(self, temperature):
        """The same of the model with a temperature."""
        return dataclasses.replace(
            self,
            probabilities=with_temperature(self.probabilities, temperature),
            mistakes=[m.calibrated(temperature) for m in self.mistakes],
        )


def evaluate(run, data, batches):
    """Calibrates a run's model; writes its accuracy and its pictures.

    Mistakes and confusions are those of the test part where there is one.

    Args:
        run: A `RunFolder`.
        data: The `ImageData` that it was trained on.
        batches: The training batches, to be looked at.
    """
    with dtype_policy("float32"):  # As the model was saved.
        model = run.uncalibrated_model()
    plan = run.read_config().plan
    found = held_out = predict(model, data.held_out, "held-out image")
    metrics = {
        "top1": held_out.top1,
        "images": len(held_out.labels),
        "held_out": data.held_out_split,
        "decided": plan.decided,
    }
    if plan.calibrate:
        temperature = fit_temperature(
            held_out.probabilities, held_out.labels_of_probabilities
        )
        fold_temperature(model, temperature)
        run.save_calibrated(model)
    if data.test is not None:
        found = predict(model, data.test, "test image")
        metrics["test"] = {
            "top1": found.top1,
            "images": len(found.labels),
            "split": data.test_split,
        }
    if plan.calibrate:
        metrics["calibration"] = calibration_of(found, held_out, temperature)
        if found is held_out:
            found = found.calibrated(temperature)
    write_json(run.metrics_path, metrics)
    print(
        f"held-out top-1 {held_out.top1:.4f} on {len(held_out.labels):,} "
        f"images, which decided {plan.decided}"
    )
    if data.test is not None:
        print(
            f"    test top-1 {found.top1:.4f} on {len(found.labels):,} images, "
            "looked at this once"
        )
    if plan.calibrate:
        print(words_of_calibration(metrics["calibration"]))
    # After the results, which a plot that fails must not cost.
    plots, classes = run.plots_folder, data.classes
    draw_all(
        {
            plots / "history.png": partial(plot_history, run.history_path),
            plots / "confusion.png": partial(
                plot_confusion, found.confusions, classes
            ),
            plots / "mistakes.png": partial(
                plot_mistakes, found.mistakes, classes
            ),
            plots / "augmented.png": partial(plot_augmented, batches),
            plots / "patches.png": partial(plot_patches, model),
            plots / "kernels.png": partial(plot_kernels, model),
        }
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
    labels, classes, kept, mistakes = [], [], [], []
    count = int(images.cardinality())
    step = -(-count * model.output_shape[-1] // MOST_PROBABILITIES)
    seen = 0
    bar = keras.utils.Progbar(count, unit_name=unit_name)
    with own_lines():
        for pixels, truth in images.batch(BATCH_SIZE).as_numpy_iterator():
            probabilities = model.predict_on_batch(pixels)
            given = probabilities.argmax(-1)
            labels.append(truth)
            classes.append(given)
            kept.append(probabilities[-seen % step :: step].copy())
            seen += len(truth)
            mistakes += [
                Mistake(
                    probabilities=probabilities[i].copy(),
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
        probabilities=np.concatenate(kept),
        step=step,
        mistakes=mistakes,
    )
