"""A classifier is run on pictures; the scores, and what it got wrong."""

import csv
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field

import keras
import numpy as np

from keras_convmixer.data.index import named
from keras_convmixer.training.evaluation import Mistake
from keras_convmixer.training.scores import Scores, ranked
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import own_lines

from .pictures import Picture

SHOWN_MISTAKES = 24
NAMED = 10  # Broken pictures that are named; of more, their number is given.
LISTED = 5  # Classes of each picture in the file of predictions.


@dataclass(frozen=True)
class NamedMistake(Mistake):
    """A `Mistake`, and the `Picture` that it was."""

    picture: Picture = None


@dataclass
class Matching:
    """The classes of some pictures and those of a classifier, by name.

    Attributes:
        labels: The classifier's names.
        indices: Index of each class of the pictures that it knows, by name.
        foreign: Classes of the pictures that it does not know.
        missing: Its classes of which there are no pictures.
    """

    labels: list
    indices: dict
    foreign: list
    missing: list


@dataclass
class Evaluation:
    """What a classifier said of some pictures.

    Attributes:
        scores: `Scores` of the pictures whose class it knows.
        mistakes: The `NamedMistake`s of most confidence, the worst first.
        foreign: How many pictures there are of each class that it does not
            know, a `Counter`.
        unreadable: How many pictures are broken.
        complaints: What is wrong with the first of them.
        images: How many pictures were classified.
        seconds: How long it all took, reading included.
    """

    scores: Scores
    mistakes: list = field(default_factory=list)
    foreign: Counter = field(default_factory=Counter)
    unreadable: int = 0
    complaints: list = field(default_factory=list)
    images: int = 0
    seconds: float = 0.0


def match_classes(classifier, pictures):
    """Finds the classes of some pictures among those of a classifier.

    A file of one output names class 1 alone: of two classes of pictures, the
    other one is class 0.

    Args:
        classifier: A `Classifier`.
        pictures: `Pictures`; without classes, nothing is matched.

    Returns:
        A `Matching`.

    Raises:
        UserError: If there are classes and none is known, or the classifier
            has two of one name, or gives independent labels.
    """
    labels, names = list(classifier.labels), pictures.classes
    if names and classifier.is_multi_label:
        raise UserError(
            f"{classifier.path} gives any number of {len(labels)} labels to an "
            f"image, so {pictures.name}, with one class for each image, can't "
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
            f"{pictures.name} has no class that {classifier.path} knows. "
            f"Found: {named(names)}. It knows: {named(labels)}"
        )
    return Matching(
        labels=labels,
        indices=indices,
        foreign=[name for name in names if name not in indices],
        missing=[name for name in labels if name not in indices],
    )


def score(
    classifier, pictures, matching, predictions=None, shown=SHOWN_MISTAKES
):
    """Runs a classifier on pictures of which it keeps the worst mistakes.

    Args:
        classifier: A `Classifier`.
        pictures: `Pictures`.
        matching: Their `Matching`.
        predictions: An open text file, which gets a CSV row for each picture.
        shown: How many mistakes are kept.

    Returns:
        An `Evaluation`.

    Raises:
        UserError: If no picture is left.
    """
    result = Evaluation(Scores(len(matching.labels)))
    writer = predictions and csv.writer(predictions, lineterminator="\r\n")
    if writer:
        columns = [
            f"{column}_{rank}"
            for rank in range(1, min(LISTED, len(matching.labels)) + 1)
            for column in ("class", "probability")
        ]
        writer.writerow(("file", "true", *columns))
    bar = keras.utils.Progbar(pictures.count, unit_name="image")
    start = time.perf_counter()
    # A picture can be odd in many ways that Pillow warns of.
    with warnings.catch_warnings(), own_lines():
        warnings.simplefilter("ignore")
        for batch in pictures.batches(classifier.size):
            readable = leave_out_broken(batch, result)
            if readable:
                shown_pictures, squares = zip(*readable, strict=True)
                squares = np.stack(squares)
                probabilities = classifier(squares)
                if writer:
                    writer.writerows(
                        rows(shown_pictures, probabilities, matching)
                    )
                add(
                    result,
                    shown_pictures,
                    squares=squares,
                    probabilities=probabilities,
                    matching=matching,
                    shown=shown,
                )
            bar.add(len(batch))
    result.seconds = time.perf_counter() - start
    scored = result.scores.images if pictures.classes else result.images
    if not scored:
        raise UserError(
            f"no picture of {pictures.name} can be scored. "
            f"{' '.join(result.complaints[:1])}"
        )
    return result


def leave_out_broken(batch, result):
    """The pairs of a batch that have a square; the others are counted."""
    complaints = [str(s) for _, s in batch if isinstance(s, UserError)]
    result.unreadable += len(complaints)
    result.complaints = (result.complaints + complaints)[:NAMED]
    return [pair for pair in batch if not isinstance(pair[1], UserError)]


def add(result, pictures, squares, probabilities, matching, shown):
    """Adds a batch to an `Evaluation`."""
    result.images += len(pictures)
    labels = np.array([matching.indices.get(p.label, -1) for p in pictures])
    result.foreign.update(
        p.label
        for p, label in zip(pictures, labels, strict=True)
        if label < 0 and p.label is not None
    )
    (known,) = np.nonzero(labels >= 0)
    if not len(known):
        return
    result.scores.add(probabilities[known], labels[known])
    given = probabilities.argmax(-1)
    result.mistakes += [
        NamedMistake(
            probabilities=probabilities[i].copy(),
            image=squares[i].copy(),
            label=int(labels[i]),
            prediction=int(given[i]),
            picture=pictures[i],
        )
        for i in known[given[known] != labels[known]]
    ]
    result.mistakes.sort(key=lambda mistake: -mistake.confidence)
    del result.mistakes[shown:]


def rows(pictures, probabilities, matching):
    """A row of the predictions for each picture."""
    first = ranked(probabilities)[:, :LISTED]
    for picture, classes, row in zip(
        pictures, first, probabilities, strict=True
    ):
        cells = [(matching.labels[i], f"{row[i]:.6f}") for i in classes]
        label = "" if picture.label is None else picture.label
        yield picture.name, label, *(cell for pair in cells for cell in pair)
