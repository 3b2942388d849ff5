"""How many pictures of other things a threshold lets through.

python -m benchmarks.unknown --cifar10 DATA_DIR FOLDER...

The CIFAR-10 network that ships gets its temperature and its thresholds from
every second image of the test split; the others measure what is answered, and
so do the photographs in the folders, noise and rendered text.
"""

from pathlib import Path

import numpy as np

from benchmarks.measure import RESULTS, write_csv
from benchmarks.other_things import noise, photographs, text
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    quiet_tensorflow,
)

PRECISIONS = (0.95, 0.98, 0.99)
SIDE = 32


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.unknown",
        description="Which share of pictures of other things is answered.",
    )
    add = parser.add_argument
    add("folders", nargs="*", type=Path, metavar="FOLDER", help="photographs")
    add("--cifar10", required=True, help="where tensorflow-datasets keeps it")
    add("--output", type=Path, default=RESULTS / "unknown.csv")
    return parser.parse_args(arguments)


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        quiet_tensorflow()
        from benchmarks.networks import shipped_cifar10
        from keras_convmixer.utils.tables import markdown_table

        model, data = shipped_cifar10(args.cifar10)
        thresholds, rows = known(model, data)
        others = {str(path): photographs(path, SIDE) for path in args.folders}
        others |= {"uniform noise": noise(SIDE), "rendered text": text(SIDE)}
        for name, images in others.items():
            sure = model.predict(images, verbose=0).max(-1)
            rows.append(row(name, sure, thresholds))
        print(markdown_table(rows))
        write_csv(args.output, rows)


def known(model, data):
    """Calibrates a model; its thresholds, and the rows of its own images."""
    from keras_convmixer.evaluation.calibration import (
        fit_temperature,
        fold_temperature,
        with_temperature,
    )
    from keras_convmixer.evaluation.predictions import predict
    from keras_convmixer.evaluation.threshold import least_threshold

    found = predict(model, data.held_out)
    choosing, measuring = slice(0, None, 2), slice(1, None, 2)
    temperature = fit_temperature(
        found.probabilities[choosing], found.labels[choosing]
    )
    fold_temperature(model, temperature)
    sure = with_temperature(found.probabilities, temperature).max(-1)
    is_right = found.classes == found.labels
    thresholds = [
        least_threshold(sure[choosing], is_right[choosing], precision)[0]
        for precision in PRECISIONS
    ]
    sure, is_right = sure[measuring], is_right[measuring]
    precision = [100 * is_right[sure >= t].mean() for t in thresholds]
    rows = [
        line("the threshold", None, [f"{t:.3f}" for t in thresholds]),
        line("right of what is answered %", None, rounded(precision)),
        row("test images", sure, thresholds),
        row("those of them that are right", sure[is_right], thresholds),
        row("those that are wrong", sure[~is_right], thresholds),
    ]
    return thresholds, rows


def row(name, sure, thresholds):
    """Which share of images is answered with each threshold, in percent."""
    answered = [100 * np.mean(sure >= threshold) for threshold in thresholds]
    return line(name, len(sure), rounded(answered))


def line(name, count, values):
    columns = [f"precision {precision}" for precision in PRECISIONS]
    cells = dict(zip(columns, values, strict=True))
    return {"images": name, "number": count, **cells}


def rounded(shares):
    return [f"{share:.1f}" for share in shares]


if __name__ == "__main__":
    main()
