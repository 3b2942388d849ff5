"""What a training reached, on images that it never saw."""

import keras

from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.training.plots import (
    plot_augmented,
    plot_confusion,
    plot_history,
    plot_kernels,
    plot_mistakes,
    plot_patches,
)
from keras_convmixer.utils.files import write_json


def evaluate(run, data, batches):
    """Writes the accuracy and the pictures of a run's best model.

    Args:
        run: A `RunFolder`.
        data: The `ImageData` that it was trained on.
        batches: The training batches, to be looked at.
    """
    keras.config.set_dtype_policy("float32")  # As the model was saved.
    model = run.trained_model()
    images, labels = as_arrays(data.held_out)
    probabilities = model.predict(images, verbose=0)
    predictions = probabilities.argmax(-1)
    top1 = float((predictions == labels).mean())
    plot_history(run.history_path, run.plots_folder / "history.png")
    plot_confusion(
        labels, predictions, data.classes, run.plots_folder / "confusion.png"
    )
    plot_mistakes(
        *(images, labels, probabilities, data.classes),
        run.plots_folder / "mistakes.png",
    )
    plot_augmented(batches, run.plots_folder / "augmented.png")
    plot_patches(model, run.plots_folder / "patches.png")
    plot_kernels(model, run.plots_folder / "kernels.png")
    # Last, since a training that has it is finished.
    write_json(
        run.metrics_path,
        {"top1": top1, "images": len(labels), "held_out": data.held_out_split},
    )
    print(f"held-out top-1 {top1:.4f} on {len(labels):,} images")
