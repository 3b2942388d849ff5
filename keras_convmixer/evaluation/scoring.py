"""A classifier is run on images; the scores, and what it got wrong."""

import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from keras_convmixer.data.index import abbreviate
from keras_convmixer.data.source import Source
from keras_convmixer.evaluation.classifier import Classifier
from keras_convmixer.evaluation.collect import run_batches
from keras_convmixer.evaluation.predictions import SHOWN_MISTAKES, Predictions
from keras_convmixer.evaluation.scores import Scores, ranked
from keras_convmixer.evaluation.stored_images import (
    EvaluationSet,
    StoredImage,
    dataset_images,
    folder_images,
)
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.types import StrPath

LISTED = 5  # Classes of each image in the file of predictions.


def evaluate(
    classifier: Classifier | StrPath,
    image_folder: StrPath | None = None,
    dataset: str | None = None,
    split: str | None = None,
    data_dir: StrPath | None = None,
) -> Predictions:
    """Scores a trained model or an exported file on labelled images.

    Args:
        classifier: What `load` returns, or what it takes.
        image_folder: A folder with a folder of images for each class, or with
            the parts of a training, of which `test` is scored.
        dataset: In its place "digits" or a name of tensorflow-datasets.
        split: Of the data set; None for "test".
        data_dir: Where tensorflow-datasets keeps its files.

    Returns:
        `Predictions`: `scores` has top-1, recall and others; `mistakes` are
        the worst ones; `num_unreadable` and `foreign` count what was not
        scored.

    Raises:
        UserError: A `ValueError`, if an argument is not as above, or no image
            can be scored.

    Example:
        result = evaluate("digits_int8.tflite", image_folder="newer/")
        print(f"top-1 {result.top1:.2%} of {result.scores.images} images")
    """
    if bool(dataset) == bool(image_folder):
        raise UserError("give image_folder or dataset, one of them")
    if split and not dataset:
        raise UserError(f"split needs a dataset. Received: {split!r}")
    if not isinstance(classifier, Classifier):
        classifier = Classifier(classifier)
    if dataset:
        folder = None if data_dir is None else str(data_dir)
        images = dataset_images(Source(dataset, folder), split)
    else:
        images = folder_images(image_folder)
    if not images.classes:
        raise UserError(
            f"image_folder must hold a folder of images for each class. "
            f"Received: {image_folder}"
        )
    return score(classifier, images, *match_classes(classifier, images))


def match_classes(
    classifier: Classifier, images: EvaluationSet
) -> tuple[list[str], dict[str, int]]:
    """Finds the classes of some images among those of a classifier.

    A file of one output names class 1 alone: of two classes of images, the
    other one is class 0. Of images without classes nothing is matched.

    Returns:
        `(labels, indices)`: the classifier's names, and the index among them
        of each class of the images that it knows, by name.

    Raises:
        UserError: If there are classes and none is known, or the classifier
            has two of one name, or gives independent labels.
    """
    labels, names = list(classifier.labels), images.classes
    if names and classifier.is_multi_label:
        raise UserError(
            f"{classifier.path} gives any number of {len(labels)} labels to an "
            f"image, so {images.name}, with one class for each image, can't "
            "score it. Give a folder of images alone, which are classified; "
            "export_tflite scores it on labels of 0 or 1"
        )
    if classifier.has_one_output and len(names) == 2 and labels[1] in names:
        (labels[0],) = set(names) - {labels[1]}
    counts = Counter(labels)
    twice = [name for name in names if counts[name] > 1]
    if twice:
        raise UserError(f"{classifier.path} has several classes {twice[0]!r}")
    indices = {name: labels.index(name) for name in names if counts[name]}
    if names and not indices:
        raise UserError(
            f"{images.name} has no class that {classifier.path} knows. "
            f"Found: {abbreviate(names)}. It knows: {abbreviate(labels)}"
        )
    return labels, indices


def score(
    classifier: Classifier,
    images: EvaluationSet,
    labels: list[str],
    indices: dict[str, int],
    writer: Any = None,
    shown: int = SHOWN_MISTAKES,
) -> Predictions:
    """Runs a classifier on images of which it keeps the worst mistakes.

    Args:
        classifier, images: As for `match_classes`.
        labels, indices: As it returns them.
        writer: A `csv.writer`, which gets a row for each image; or None.
        shown: How many mistakes are kept.

    Raises:
        UserError: If no image is left.
    """
    result = Predictions(Scores(len(labels)), shown_mistakes=shown)
    if writer:
        columns = [
            f"{column}_{rank}"
            for rank in range(1, min(LISTED, len(labels)) + 1)
            for column in ("class", "probability")
        ]
        writer.writerow(("file", "true", *columns))
    start = time.perf_counter()
    # A photo can be odd in many ways that Pillow warns of.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batches = images.batches(classifier.size, indices)
        for batch, probabilities in run_batches(
            classifier, batches, images.count
        ):
            if writer and len(batch.images):
                writer.writerows(rows(batch.stored, probabilities, labels))
            result.add(batch, probabilities)
    result.seconds = time.perf_counter() - start
    scored = result.scores.images if images.classes else result.images
    if not scored:
        raise UserError(
            f"no image of {images.name} can be scored. "
            f"{' '.join(result.problems[:1])}"
        )
    return result


def rows(
    stored: Iterable[StoredImage], probabilities: np.ndarray, labels: list[str]
) -> Iterator[tuple[str, ...]]:
    """A row of the predictions for each `StoredImage`."""
    first = ranked(probabilities)[:, :LISTED]
    for image, classes, row in zip(stored, first, probabilities, strict=True):
        cells = [cell for i in classes for cell in (labels[i], f"{row[i]:.6f}")]
        yield image.name, image.label or "", *cells
