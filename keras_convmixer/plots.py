"""Pictures of a training: its curves and where the model errs."""

import csv

from keras_convmixer.files import replacing


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


def save(figure, path):
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
    plt.close(figure)
