"""The one loop that runs a model on images.

What becomes of the outputs is up to the caller: scores, a comparison, a
threshold.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_convmixer.utils.commands import newline_on_error

if TYPE_CHECKING:
    from keras_convmixer.evaluation.stored_images import StoredImage


@dataclass(frozen=True)
class Batch:
    """Images that a model is run on together.

    Attributes:
        images: `[N, height, width, channels]`, as the model takes them.
        labels: int `[N]`, -1 for a class that the model does not know; or as
            `OutputKind.is_right` takes them; None where they are unknown.
        stored: The `StoredImage` of each; empty where there are none.
        unreadable: The problem of each image that can't be read and is not
            among them.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    stored: "Sequence[StoredImage]" = ()
    unreadable: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.images) + len(self.unreadable)


def run_batches(run, batches, count=None, unit_name="image"):
    """Runs a model on batches.

    Args:
        run: A function from images to outputs: a `Classifier`, a file of
            `evaluation.runtime`, the `predict_on_batch` of a Keras model.
        batches: An iterable of `Batch`.
        count: How many images there are in all, unreadable ones included, for
            a progress bar; None for no bar.
        unit_name: What the progress bar calls one of them.

    Yields:
        `(batch, outputs)`: float32 `[N, classes]`, None without images.
    """
    bar = None
    if count is not None:
        from keras.utils import Progbar

        bar = Progbar(count, unit_name=unit_name)
    with newline_on_error() if bar else contextlib.nullcontext():
        for batch in batches:
            yield batch, run(batch.images) if len(batch.images) else None
            if bar:
                bar.add(len(batch))


def collect(run, batches, count=None, unit_name="image"):
    """All outputs for the batches of `run_batches`, and their labels.

    Returns:
        `(outputs, labels)`: float32 `[N, classes]`; `labels` as the batches
        have them, None where they are unknown.
    """
    outputs, labels = [], []
    for batch, found in run_batches(run, batches, count, unit_name):
        outputs.append(found)
        labels.append(batch.labels)
    known = labels[0] is not None
    return np.concatenate(outputs), np.concatenate(labels) if known else None
