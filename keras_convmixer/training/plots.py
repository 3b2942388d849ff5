"""Pictures of a training: its curves, where the model errs, what it learned."""

import csv
import io
import sys
from collections import Counter

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from keras_convmixer.utils.files import replacing, write_bytes
from keras_convmixer.utils.plot_text import drawable

MOST_CLASSES = 50  # Of a confusion matrix that can be looked at.


def draw_all(plots):
    """Writes plots; one that fails costs one line, and not the others.

    Args:
        plots: Functions by path; each is called with its path.

    Returns:
        Whether all of them were written.
    """
    failures = 0
    for path, draw in plots.items():
        try:
            draw(path)
        except Exception as error:
            failures += 1
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"{path} could not be drawn: {reason}", file=sys.stderr)
    return not failures


def plot_history(history_csv, path):
    """Loss and accuracy by epoch, of the training and the held-out images."""
    with open(history_csv, newline="") as file:
        rows = list(csv.DictReader(file))
    epochs = [int(row["epoch"]) + 1 for row in rows]
    figure = Figure(figsize=(9, 3.5))
    both_axes = figure.subplots(1, 2)
    for axes, name in zip(both_axes, ("loss", "accuracy"), strict=True):
        for column, label in ((name, "training"), (f"val_{name}", "held out")):
            values = [float(row[column]) for row in rows]
            axes.plot(epochs, values, marker=".", label=label)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    save(figure, path)


def plot_confusion(counts, classes, path):
    """How often images of a class (row) were given each class (column).

    Of many classes, the most frequent confusions only; all of them are in a
    CSV file of the same name beside it.

    Args:
        counts: Images by (class, class that they were given), a `Counter`.
        classes: The names of the classes.
        path: The file to write.
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
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("true", "predicted", "count"))
    for (label, prediction), count in sorted(counts.items()):
        writer.writerow((classes[label], classes[prediction], count))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Names of folders are bytes: not all of them are UTF-8.
    write_bytes(path, text.getvalue().encode(errors="surrogateescape"))


def plot_most_confused(counts, classes, path, most=30):
    """The pairs of classes that were taken for each other most often."""
    wrong = Counter({pair: n for pair, n in counts.items() if len({*pair}) > 1})
    worst = wrong.most_common(most)
    figure = Figure(figsize=(7, 1.5 + 0.25 * len(worst)))
    with drawable(classes) as classes:
        axes = figure.subplots()
        names = [f"{classes[a]}, not {classes[b]}" for (a, b), _ in worst]
        axes.barh(range(len(worst)), [count for _, count in worst])
        axes.set_yticks(range(len(worst)), names)
        axes.invert_yaxis()
        axes.set_title(f"{len(worst)} most frequent of {len(wrong)} confusions")
        axes.set_xlabel("images")
        save(figure, path)


def plot_mistakes(mistakes, classes, path):
    """The images that were given a wrong class with the most confidence.

    Args:
        mistakes: A list of `Mistake`, the worst first.
        classes: The names of the classes.
        path: The file to write; without a mistake, none.
    """
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
                f"{classes[mistake.label]}, not\n{classes[mistake.prediction]} "
                f"({mistake.confidence:.0%})",
                fontsize=9,
            )
        save(figure, path)


def plot_reliability(reliability, path):
    """How often a model is right that is so sure, and how sure it is.

    Args:
        reliability: A `Reliability`.
        path: The file to write.
    """
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
        label="right",
    )
    above.plot(
        reliability.confidence[is_used] / counts[is_used],
        reliability.right[is_used] / counts[is_used],
        *("C1.-",),
        label="against mean confidence",
    )
    above.plot((0, 1), (0, 1), color="grey", linestyle="--", label="calibrated")
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is right")
    above.set_title(f"calibration error {reliability.error:.2%}")
    above.legend(loc="upper left")
    below.bar(middles, counts / counts.sum(), width, edgecolor="white")
    below.set(xlabel="confidence", ylabel="share of images")
    save(figure, path)


def plot_coverage(coverage, path):
    """How often a model is right about the images of which it is surest.

    Args:
        coverage: A `Coverage`.
        path: The file to write.
    """
    shares, precision = coverage.curve()
    figure = Figure(figsize=(4.5, 3.5))
    axes = figure.subplots()
    axes.plot(shares, precision)
    axes.set(
        xlabel="share of the images, the surest first",
        ylabel="share of them that is right",
        xlim=(0, 1),
    )
    axes.grid(alpha=0.3)
    save(figure, path)


def plot_patches(model, path, count=64):
    """The learned patch embeddings, each stretched to the full range."""
    kernel = model.get_layer("stem_conv").get_weights()[0]
    patches = kernel.transpose(3, 0, 1, 2)[:count]
    least = patches.min((1, 2, 3), keepdims=True)
    largest = patches.max((1, 2, 3), keepdims=True)
    patches = (patches - least) / np.maximum(largest - least, 1e-12)
    title = f"{len(patches)} of {kernel.shape[-1]} patch embeddings"
    plot_tiles(patches, columns=16, title=title, path=path)


def plot_kernels(model, path, count=16):
    """The first depthwise kernels of every block, a block in each row."""
    kernels = [
        layer.get_weights()[0][..., 0].transpose(2, 0, 1)[:count]
        for layer in model.layers
        if type(layer).__name__ == "DepthwiseConv2D"
    ]
    columns = len(kernels[0])
    tiles = np.concatenate(kernels)
    tiles /= np.maximum(np.abs(tiles).max((1, 2), keepdims=True), 1e-12)
    title = "depthwise kernels, a block in each row (red: positive)"
    plot_tiles(tiles, columns, title, path, cmap="RdBu_r", vmin=-1, vmax=1)


def plot_augmented(batches, path, count=96):
    """Images as the training sees them.

    Args:
        batches: `tf.data.Dataset` of (images, labels) or more.
        path: The file to write.
        count: Number of images at most.
    """
    images = batches.unbatch().take(count).as_numpy_iterator()
    tiles = np.clip(np.stack([image for image, *_ in images]) / 255, 0, 1)
    plot_tiles(tiles, columns=16, title="augmented images", path=path)


def plot_tiles(tiles, columns, title, path, **colours):
    """Small pictures `[N, H, W]` or `[N, H, W, 3]` in rows of `columns`."""
    rows, columns = grid_shape(len(tiles), most_columns=columns)
    figure = Figure(figsize=(0.6 * columns, 0.6 * rows + 0.4))
    axes = figure.subplots()
    # In one system of axes: one for each picture would take seconds.
    for index, tile in enumerate(tiles):
        top, left = divmod(index, columns)
        edges = (left, left + 0.9, top + 0.9, top)
        axes.imshow(tile, extent=edges, **colours)
    axes.set(xlim=(0, columns), ylim=(rows, 0))
    axes.axis("off")
    axes.set_title(title, fontsize=9)
    save(figure, path)


def grid_shape(count, most_columns):
    """Rows and columns of so many pictures."""
    columns = min(most_columns, count)
    return -(-count // columns), columns


def save(figure, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
