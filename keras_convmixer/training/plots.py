"""Pictures of a training: its curves, where the model errs, what it learned."""

import csv

import numpy as np

from keras_convmixer.utils.files import replacing


def plot_history(history_csv, path):
    """Loss and accuracy by epoch, of the training and the held-out images."""
    import matplotlib.pyplot as plt

    with open(history_csv, newline="") as file:
        rows = list(csv.DictReader(file))
    epochs = [int(row["epoch"]) + 1 for row in rows]
    figure, all_axes = plt.subplots(1, 2, figsize=(9, 3.5))
    for axes, name in zip(all_axes, ("loss", "accuracy"), strict=True):
        for column, label in ((name, "training"), (f"val_{name}", "held out")):
            values = [float(row[column]) for row in rows]
            axes.plot(epochs, values, marker=".", label=label)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    save(figure, path)


def plot_confusion(labels, predictions, classes, path):
    """How often images of a class (row) were given each class (column)."""
    import matplotlib.pyplot as plt
    from sklearn.metrics import ConfusionMatrixDisplay

    size = 2.5 + 0.45 * len(classes)
    figure, axes = plt.subplots(figsize=(size, size))
    ConfusionMatrixDisplay.from_predictions(
        labels,
        predictions,
        labels=range(len(classes)),
        display_labels=classes,
        xticks_rotation="vertical",
        colorbar=False,
        cmap="Blues",
        ax=axes,
    )
    save(figure, path)


def plot_mistakes(images, labels, probabilities, classes, path, count=24):
    """The images that were given a wrong class with the most confidence.

    Args:
        images: uint8 `[N, H, W, 3]`.
        labels: int `[N]`.
        probabilities: `[N, classes]`.
        classes: Their names.
        path: The file to write; without a mistake, none.
        count: Number of images at most.
    """
    predictions = probabilities.argmax(-1)
    confidence = probabilities.max(-1)
    wrong = np.flatnonzero(predictions != labels)
    worst = wrong[np.argsort(-confidence[wrong])][:count]
    if not len(worst):
        return
    figure, all_axes = grid(len(worst), columns=6, width=2, height=2.3)
    for index, axes in zip(worst, all_axes, strict=False):
        axes.imshow(images[index])
        axes.set_title(
            f"{classes[labels[index]]}, not\n{classes[predictions[index]]} "
            f"({confidence[index]:.0%})",
            fontsize=9,
        )
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
        batches: `tf.data.Dataset` of (images, labels).
        path: The file to write.
        count: Number of images at most.
    """
    images = batches.unbatch().take(count).as_numpy_iterator()
    tiles = np.clip(np.stack([image for image, _ in images]) / 255, 0, 1)
    plot_tiles(tiles, columns=16, title="augmented images", path=path)


def plot_tiles(tiles, columns, title, path, **colours):
    """Small pictures `[N, H, W]` or `[N, H, W, 3]` in rows of `columns`."""
    figure, all_axes = grid(len(tiles), columns, width=0.6, height=0.6)
    for tile, axes in zip(tiles, all_axes, strict=False):
        axes.imshow(tile, **colours)
    figure.suptitle(title, fontsize=9)
    save(figure, path)


def grid(count, columns, width, height):
    """A figure, and axes for `count` pictures of that size in inches."""
    import matplotlib.pyplot as plt

    columns = min(columns, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        *(rows, columns),
        figsize=(width * columns, height * rows + 0.4),
        squeeze=False,
    )
    for each in axes.flat:
        each.axis("off")
    return figure, axes.flat


def save(figure, path):
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
    plt.close(figure)
