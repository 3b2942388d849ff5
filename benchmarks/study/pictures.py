"""Pictures of the study: accuracy by kernel, by patch, by cost."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt

from benchmarks.study.summary import extremes, groups, mean
from keras_convmixer.variants import parse_variant

LABEL = "top-1 accuracy on held-out images, %"


def plot_study(rows, folder):
    """Writes `study_NAME.png` for what there are rows of.

    Args:
        rows: Dicts of the CSV.
        folder: Where to.
    """
    found = groups(rows)
    for name, label in (("kernel", "kernel size"), ("patch", "patch size")):
        plot_by_number(found, name, label, folder / f"study_{name}.png")
    plot_by_cost(found, folder / "study_cost.png")


def plot_by_number(found, question, label, path):
    """Accuracy by a number of the network, at equal width and cost."""
    attribute = f"{question}_size"
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for name in (question, f"{question} at equal cost"):
        points = sorted(
            (getattr(parse_variant(network), attribute), rows)
            for (asked, network, *_), rows in found.items()
            if asked == name
        )
        if points:
            numbers, of_each = zip(*points, strict=True)
            axes.errorbar(
                numbers, **bars(of_each), label=name, marker="o", capsize=3
            )
    axes.set(xlabel=label, ylabel=LABEL)
    finish(figure, axes, path)


def plot_by_cost(found, path):
    """Accuracy by multiply-adds, of all networks without a change."""
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    families = {}
    for (question, network, change, *_), rows in found.items():
        if not change and question != "learning rate":
            family = network.split(",")[0].split("-20")[0]
            name = "ConvMixer" if "/" in network else family
            families.setdefault(name, []).append(rows)
    for name, of_each in families.items():
        costs = [float(rows[0]["multiply_adds"]) / 1e6 for rows in of_each]
        axes.errorbar(costs, **bars(of_each), label=name, fmt="o", capsize=3)
    axes.set(xlabel="million multiply-adds of an image", ylabel=LABEL)
    axes.set_xscale("log")
    finish(figure, axes, path)


def bars(of_each):
    """Mean and range of each list of rows, as `errorbar` takes them."""
    means = [mean(rows) for rows in of_each]
    ranges = [extremes(rows) for rows in of_each]
    below = [m - low for m, (low, _) in zip(means, ranges, strict=True)]
    above = [high - m for m, (_, high) in zip(means, ranges, strict=True)]
    return {"y": means, "yerr": [below, above]}


def finish(figure, axes, path):
    if axes.has_data():
        axes.legend()
        axes.grid(alpha=0.3)
        figure.savefig(path, dpi=110)
    plt.close(figure)
