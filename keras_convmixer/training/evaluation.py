"""What a training reached, on images that it never saw."""

from functools import partial

from keras_convmixer.evaluation.calibration import (
    fit_temperature,
    fold_temperature,
)
from keras_convmixer.evaluation.calibration_report import (
    calibration_of,
    format_calibration,
)
from keras_convmixer.evaluation.plots import (
    draw_all,
    plot_confusion,
    plot_mistakes,
)
from keras_convmixer.evaluation.predictions import predict
from keras_convmixer.training.plots import (
    plot_augmented,
    plot_history,
    plot_kernels,
    plot_patches,
)
from keras_convmixer.utils.files import write_json


def evaluate(run, data, batches):
    """Calibrates a run's model; writes its accuracy and its pictures.

    Mistakes and confusions are those of the test part where there is one. The
    training batches are looked at.
    """
    model = run.uncalibrated_model()
    plan = run.read_config().plan
    found = held_out = predict(model, data.held_out, "held-out image")
    metrics = {
        "top1": held_out.top1,
        "images": len(held_out.labels),
        "held_out": data.held_out_split,
        "decided": plan.held_out_used_for,
    }
    if plan.calibrate:
        temperature = fit_temperature(
            held_out.probabilities, held_out.labels_of_probabilities
        )
        fold_temperature(model, temperature)
        run.save_calibrated(model)
    if data.test is not None:
        found = predict(model, data.test, "test image")
        metrics["test"] = {
            "top1": found.top1,
            "images": len(found.labels),
            "split": data.test_split,
        }
    if plan.calibrate:
        metrics["calibration"] = calibration_of(found, held_out, temperature)
    mistakes = found.mistakes
    if plan.calibrate and found is held_out:
        mistakes = found.mistakes_with(temperature)
    write_json(run.metrics_path, metrics)
    print(
        f"held-out top-1 {held_out.top1:.4f} on {len(held_out.labels):,} "
        f"images (also used to choose {plan.held_out_used_for})"
    )
    if data.test is not None:
        print(
            f"    test top-1 {found.top1:.4f} on {len(found.labels):,} images "
            "(evaluated once)"
        )
    if plan.calibrate:
        print(format_calibration(metrics["calibration"]))
    # After the results, which a plot that fails must not cost.
    plots, classes = run.plots_folder, data.classes
    draw_all(
        {
            plots / "history.png": partial(plot_history, run.history_path),
            plots / "confusion.png": partial(
                plot_confusion, found.scores.confusions, classes
            ),
            plots / "mistakes.png": partial(plot_mistakes, mistakes, classes),
            plots / "augmented.png": partial(plot_augmented, batches),
            plots / "patches.png": partial(plot_patches, model),
            plots / "kernels.png": partial(plot_kernels, model),
        }
    )
