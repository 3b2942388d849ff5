"""Pictures of the study: accuracy by kernel, patch, change and cost."""

import matplotlib

matplotlib.use("agg")

import keras
import matplotlib.pyplot as plt
from matplotlib.ticker import ScalarFormatter

from benchmarks.study.questions import BASE, run_folder
from benchmarks.study.summary import extremes, groups, mean
from keras_convmixer.training.plots import plot_kernels
from keras_convmixer.variants import parse_variant

LABEL = "top-1 accuracy on held-out images, %"
# Table 4 of arXiv:2201.09792: CIFAR-10, top-1 accuracy in per cent of
# ConvMixer-256/8 after 200 epochs, one training each.
PAPER_KERNELS = {3: 94.08, 5: 95.21, 7: 95.35, 9: 95.00, 11: 95.14}  # Patch 2.
PAPER_PATCHES = {1: 95.88, 2: 95.00, 4: 92.61, 8: 85.57}  # Kernel 9.
# Patch 1 and kernel 9, as it is and with one change.
PAPER_UNCHANGED = 95.88
PAPER_CHANGES = {
    "residual around both": 94.78,
    "LayerNorm": 94.44,
    "ReLU": 95.51,
    "no clipping": 86.33,
    "no RandAugment": 92.86,
}


def plot_study(rows, runs, folder):
    """Writes `study_NAME.png` for what there are rows of.

    Args:
        rows: Dicts of the CSV.
        runs: The folder of the trainings.
        folder: Where to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = groups(rows)
    for question, of_paper in (
        ("kernel", PAPER_KERNELS),
        ("patch", PAPER_PATCHES),
    ):
        path = folder / f"study_{question}.png"
        plot_by_number(found, question, of_paper, path)
    plot_changes(found, folder / "study_changes.png")
    plot_by_cost(found, folder / "study_cost.png")
    plot_learned(rows, runs, folder)


def plot_by_number(found, question, of_paper, path):
    """Accuracy by a number of the network, beside the paper's."""
    figure, (ours, theirs) = plt.subplots(
        ncols=2, figsize=(9, 4), sharex=True, layout="constrained"
    )
    for label, name in (
        ("at equal width", question),
        ("at equal cost", f"{question} at equal cost"),
    ):
        points = sorted(
            (number_of(network, question), rows)
            for (asked, network, *_), rows in found.items()
            if asked == name
        )
        if points:
            numbers, of_each = zip(*points, strict=True)
            ours.errorbar(
                numbers, **bars(of_each), label=label, marker="o", capsize=3
            )
    ours.set(xlabel=f"{question} size", ylabel=LABEL, title="here")
    theirs.plot(*zip(*of_paper.items(), strict=True), "o-", color="grey")
    theirs.set(
        xlabel=f"{question} size", title="in the paper: 256/8, 200 epochs"
    )
    theirs.grid(alpha=0.3)
    finish(figure, ours, path)


def plot_changes(found, path):
    """What a change of the network or its training costs, in points."""
    of_changes = {
        change or ("ReLU" if network != BASE else ""): rows
        for (question, network, change, *_), rows in found.items()
        if question == "what matters"
    }
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    if unchanged := of_changes.pop("", None):
        base = mean(unchanged)
        low, high = extremes(unchanged)
        axes.axvspan(low - base, high - base, alpha=0.2, label="unchanged")
    if unchanged and of_changes:
        across = bars(list(of_changes.values()))
        axes.errorbar(
            [accuracy - base for accuracy in across["y"]],
            list(of_changes),
            xerr=across["yerr"],
            fmt="o",
            capsize=3,
            label="here",
        )
        names = [name for name in of_changes if name in PAPER_CHANGES]
        axes.plot(
            [PAPER_CHANGES[name] - PAPER_UNCHANGED for name in names],
            names,
            "x",
            color="grey",
            label="in the paper: 256/8, 200 epochs",
        )
    axes.set_xlabel("points of accuracy")
    finish(figure, axes, path)


def plot_by_cost(found, path):
    """Accuracy by multiply-adds, of all networks without a change.

    Not of those that were trained for another number of epochs.
    """
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    families = {}
    for (question, network, change, *_), rows in found.items():
        if change or question in ("learning rate", "rivals in equal time"):
            continue
        family = network.split(",")[0].split("-20")[0]
        name = "ConvMixer" if "/" in network else family
        networks = families.setdefault(name, {})
        # Several questions may have a network, and one of them more seeds.
        if len(rows) > len(networks.get(network, ())):
            networks[network] = rows
    for name, networks in families.items():
        of_each = list(networks.values())
        costs = [float(rows[0]["multiply_adds"]) / 1e6 for rows in of_each]
        axes.errorbar(costs, **bars(of_each), label=name, fmt="o", capsize=3)
    axes.set(xlabel="million multiply-adds of an image", ylabel=LABEL)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    finish(figure, axes, path)


def plot_learned(rows, runs, folder):
    """The learned depthwise kernels, of the smallest size and the largest."""
    of_size = {
        number_of(row["network"], "kernel"): row
        for row in rows
        if row["question"] == "kernel"
    }
    for size in {min(of_size), max(of_size)} if of_size else ():
        path = run_folder(runs, of_size[size]) / "model.keras"
        if path.exists():
            model = keras.saving.load_model(path, compile=False)
            plot_kernels(model, folder / f"study_kernels_{size}.png")


def number_of(network, question):
    """The kernel or patch size of a network."""
    return getattr(parse_variant(network), f"{question}_size")


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
