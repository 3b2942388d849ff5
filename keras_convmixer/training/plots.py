"""Plots of a training: its curves, and what the network learned."""

import csv

import numpy as np
from matplotlib.figure import Figure

from keras_convmixer.evaluation.plots import grid_shape, save


def plot_history(history_csv, path):
    """Loss and accuracy by epoch, on training and held-out images."""
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
    """Images as the training sees them, `count` at most."""
    images = batches.unbatch().take(count).as_numpy_iterator()
    tiles = np.clip(np.stack([image for image, *_ in images]) / 255, 0, 1)
    plot_tiles(tiles, columns=16, title="augmented images", path=path)


def plot_tiles(tiles, columns, title, path, **colours):
    """Small images `[N, H, W]` or `[N, H, W, 3]` in rows of `columns`."""
    rows, columns = grid_shape(len(tiles), most_columns=columns)
    figure = Figure(figsize=(0.6 * columns, 0.6 * rows + 0.4))
    axes = figure.subplots()
    # One picture of all: a picture for each would take seconds.
    axes.imshow(mosaic(tiles, rows, columns), **colours)
    axes.axis("off")
    axes.set_title(title, fontsize=9)
    save(figure, path)


def mosaic(tiles, rows, columns, side=40, gap=4):
    """One image of many, each enlarged to about `side` pixels.

    Gaps and missing tiles are NaN, which is drawn white.
    """
    times = -(-side // tiles.shape[1])
    tiles = tiles.repeat(times, 1).repeat(times, 2)
    missing = rows * columns - len(tiles)
    edges = [(0, missing), (0, gap), (0, gap), *[(0, 0)] * (tiles.ndim - 3)]
    tiles = np.pad(tiles, edges, constant_values=np.nan)
    height, width, *channels = tiles.shape[1:]
    table = tiles.reshape(rows, columns, height, width, *channels)
    return table.swapaxes(1, 2).reshape(
        rows * height, columns * width, *channels
    )
