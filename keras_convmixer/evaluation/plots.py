"""Plots of an evaluation: confusions, mistakes, calibration, coverage."""

import sys
from collections import Counter

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from keras_convmixer.utils.files import csv_writer, replacing
from keras_convmixer.utils.plot_text import drawable

MOST_CLASSES = 50  # Of a confusion matrix that can be looked at.
MOST_CONFUSED = 30


def draw_all(plots):
    """Writes plots; one that fails costs one line, and not the others.

    Args:
        plots: Functions by path; each is called with its path.

    Returns:
        Whether all of them were written.
    """
    is_whole = True
    for path, draw in plots.items():
        try:
            draw(path)
        except Exception as error:
            is_whole = False
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"{path} could not be drawn: {reason}", file=sys.stderr)
    return is_whole


def plot_confusion(counts, classes, path):
    """The confusion matrix: true classes in rows, predicted in columns.

    For more than `MOST_CLASSES` classes, only the most frequent confusions are
    drawn; a CSV file of the same name holds all of them. `counts` are the
    images by (true class, predicted class), a `Counter`.
    """
    if len(classes) > MOST_CLASSES:
        write_confusion(counts, classes, path.with_suffix(".csv"))
        plot_most_confused(counts, classes, path)
        return
    matrix = np.zeros((len(classes), len(classes)), int)
    for pair, count in counts.items():
        matrix[pair] = count
    size = 2.5 + 0.45 * len(classes)
    figure = Figure(figsize=(size, size))
    with drawable(classes) as classes:
        ConfusionMatrixDisplay(matrix, display_labels=classes).plot(
            xticks_rotation="vertical",
            colorbar=False,
            cmap="Blues",
            ax=figure.subplots(),
        )
        save(figure, path)


def write_confusion(counts, classes, path):
    """Writes the counts of (label, prediction) that are not zero as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with csv_writer(path, "\n") as writer:
        writer.writerow(("true", "predicted", "count"))
        for (label, prediction), count in sorted(counts.items()):
            writer.writerow((classes[label], classes[prediction], count))


def plot_most_confused(counts, classes, path):
    """The most frequent pairs of true and predicted class."""
    wrong = Counter({pair: n for pair, n in counts.items() if len({*pair}) > 1})
    worst = wrong.most_common(MOST_CONFUSED)
    figure = Figure(figsize=(7, 1.5 + 0.25 * len(worst)))
    with drawable(classes) as classes:
        axes = figure.subplots()
        names = [
            f"true {classes[a]}, predicted {classes[b]}" for (a, b), _ in worst
        ]
        axes.barh(range(len(worst)), [count for _, count in worst])
        axes.set_yticks(range(len(worst)), names)
        axes.invert_yaxis()
        axes.set_title(f"{len(worst)} most frequent of {len(wrong)} confusions")
        axes.set_xlabel("images")
        save(figure, path)


def plot_mistakes(mistakes, classes, path):
    """The `Mistake`s, the most confident first; without any, no file."""
    if not mistakes:
        return
    rows, columns = grid_shape(len(mistakes), most_columns=6)
    figure = Figure(figsize=(2 * columns, 2.3 * rows + 0.4))
    with drawable(classes) as classes:
        all_axes = figure.subplots(
            *(rows, columns),
            squeeze=False,
            subplot_kw={"frame_on": False, "xticks": [], "yticks": []},
        )
        for mistake, axes in zip(mistakes, all_axes.flat, strict=False):
            axes.imshow(mistake.image)
            axes.set_title(
                f"true {classes[mistake.label]}\npredicted "
                f"{classes[mistake.prediction]} ({mistake.confidence:.0%})",
                fontsize=9,
            )
        save(figure, path)


def plot_reliability(reliability, path):
    """The diagram of a `Reliability`: accuracy by confidence."""
    counts, edges = reliability.counts, reliability.edges
    is_used = counts > 0
    middles = (edges[:-1] + edges[1:]) / 2
    width = edges[1] - edges[0]
    figure = Figure(figsize=(4.5, 5.5))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.bar(
        middles[is_used],
        reliability.right[is_used] / counts[is_used],
        width,
        edgecolor="white",
        label="accuracy",
    )
    above.plot(
        reliability.confidence[is_used] / counts[is_used],
        reliability.right[is_used] / counts[is_used],
        *("C1.-",),
        label="at the mean confidence",
    )
    above.plot((0, 1), (0, 1), color="grey", linestyle="--", label="calibrated")
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    above.set_title(f"calibration error {reliability.error:.2%}")
    above.legend(loc="upper left")
    below.bar(middles, counts / counts.sum(), width, edgecolor="white")
    below.set(xlabel="confidence", ylabel="fraction of images")
    save(figure, path)


def plot_coverage(shares, precision, path):
    """Accuracy on the most confident images, as of `Scores.coverage`."""
    figure = Figure(figsize=(4.5, 3.5))
    axes = figure.subplots()
    axes.plot(shares, precision)
    axes.set(
        xlabel="fraction of images, most confident first",
        ylabel="accuracy on them",
        xlim=(0, 1),
    )
    axes.grid(alpha=0.3)
    save(figure, path)


def grid_shape(count, most_columns):
    """Rows and columns of a grid of `count` images."""
    columns = min(most_columns, count)
    return -(-count // columns), columns


def save(figure, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
