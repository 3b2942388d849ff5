"""Calibration errors before and after a temperature, and their picture.

python -m benchmarks.calibration RUN...

A run's own temperature, if it has one, is taken out of its weights first.
"""

from pathlib import Path

import numpy as np

from benchmarks.measure import RESULTS, write_csv
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    quiet_tensorflow,
)

PLOT = Path("docs", "images", "calibration.png")


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.calibration",
        description="Calibration errors before and after a temperature.",
    )
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN")
    add("--output", type=Path, default=RESULTS / "calibration.csv")
    add("--plot", type=Path, default=PLOT, help="of the last data set")
    return parser.parse_args(arguments)


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        quiet_tensorflow()
        from keras_convmixer.runs.run_folder import RunFolder
        from keras_convmixer.utils.tables import markdown_table

        rows = [measure(RunFolder(path), args.plot) for path in args.runs]
        print(markdown_table(rows))
        write_csv(args.output, rows)


def measure(run, plot):
    """The row of a `RunFolder`, and its reliability as a picture."""
    from keras_convmixer.evaluation.calibration import (
        fit_temperature,
        fold_temperature,
    )
    from keras_convmixer.evaluation.calibration_report import (
        before_and_after,
        calibration_of,
    )
    from keras_convmixer.evaluation.predictions import predict

    model, data = run.trained_model(), run.data()
    if folded := run.metrics().get("calibration"):
        fold_temperature(model, 1 / folded["temperature"])
    found = held_out = predict(model, data.held_out)
    temperature = fit_temperature(
        held_out.probabilities, held_out.labels_of_probabilities
    )
    fold_temperature(model, temperature)
    if data.test is not None:
        found = predict(model, data.test)
    draw(before_and_after(found, held_out, temperature), plot)
    report = calibration_of(found, held_out, temperature)
    row = {"data": data.name, "top1": round(100 * found.top1, 2)}
    for name, value in report.items():
        row[name] = round(value, 4) if isinstance(value, float) else value
    return row


def draw(versions, path):
    """Confidence and accuracy with 95 % intervals, before and after."""
    import matplotlib.pyplot as plt

    from keras_convmixer.evaluation.scores import Reliability
    from keras_convmixer.evaluation.threshold import wilson_interval

    *probabilities, labels = versions
    figure, all_axes = plt.subplots(1, 2, figsize=(8, 4), sharey=True)
    titles = ("as trained", "with a temperature")
    for axes, rows, title in zip(all_axes, probabilities, titles, strict=True):
        found = Reliability(rows.max(-1), rows.argmax(-1) == labels)
        used = found.counts > 0
        counts = found.counts[used]
        accuracy = found.right[used] / counts
        intervals = map(wilson_interval, found.right[used], counts)
        low, high = zip(*intervals, strict=True)
        axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
        axes.errorbar(
            found.confidence[used] / counts,
            accuracy,
            # Of 20 images of 20 the interval ends at 1, but for rounding.
            yerr=np.maximum((accuracy - low, high - accuracy), 0),
            fmt="o",
            capsize=3,
        )
        axes.set_title(f"{title}: error {found.error:.3f}")
        axes.set_xlabel("confidence")
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
        axes.grid(alpha=0.3)
    all_axes[0].set_ylabel("accuracy")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
