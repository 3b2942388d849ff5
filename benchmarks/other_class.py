"""How much a class of other things helps, and with which things.

python -m benchmarks.other_class imagenette/ --other parachute springer \
    --unseen tench --folders sign_language_digits

A small network is trained on the classes that are not named here, once without
and once with a class "other" of the photographs of `--other`. Then both are
shown test photographs of these, those of `--unseen`, and other folders, noise
and text: what counts is how many get the name of a class, of all and of those
that reach the threshold for a precision of 0.95.
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measure import RESULTS, run_measured, write_csv
from benchmarks.other_things import noise, photographs, text
from keras_convmixer.utils.checks import check_choice
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)

OTHER = "other"
PRECISION = 0.95
MODEL, SIDE = "64/4/k5/p4@64", 64


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.other_class",
        description="Trains with and without a class of other things.",
    )
    add = parser.add_argument
    add("folder", type=Path, help="with train/CLASS and test/CLASS")
    add("--other", nargs="+", required=True, metavar="CLASS", help="trained on")
    add("--unseen", nargs="+", required=True, metavar="CLASS", help="shown")
    add("--folders", nargs="*", type=Path, default=[], help="shown, too")
    add("--seeds", type=positive_int, default=3, help="trainings of each")
    add("--epochs", type=positive_int, default=24)
    add("--output", type=Path, default=RESULTS / "other_class.csv")
    return parser.parse_args(arguments)


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        quiet_tensorflow()
        from keras_convmixer.utils.tables import markdown_table

        folder = args.folder.resolve()
        classes = sorted(path.name for path in (folder / "train").iterdir())
        for name in (*args.other, *args.unseen):
            check_choice("a class", name, classes)
        known = [
            name for name in classes if name not in (*args.other, *args.unseen)
        ]
        shown = {
            f"{' and '.join(names)}, {kind}": np.concatenate(
                [photographs(folder / "test" / name, SIDE) for name in names]
            )
            for kind, names in (
                ("which are in other", args.other),
                ("which are not", args.unseen),
            )
        }
        shown |= {path.name: photographs(path, SIDE) for path in args.folders}
        shown |= {"uniform noise": noise(SIDE), "rendered text": text(SIDE)}
        rows = []
        for seed in range(args.seeds):
            for other in ([], args.other):
                rows += measure(folder, known, other, shown, seed, args.epochs)
        print(markdown_table(rows))
        write_csv(args.output, rows)


def measure(folder, known, other, shown, seed, epochs):
    """Trains once; a row for each kind of pictures.

    Args:
        folder: Of the photographs.
        known: Names of the classes.
        other: Names of those that make the class of other things, if any.
        shown: Pictures of other things by their kind.
        seed, epochs: Of the training.
    """
    from keras_convmixer.evaluation.predictions import predict
    from keras_convmixer.evaluation.threshold import Answers, find_threshold
    from keras_convmixer.runs.run_folder import RunFolder

    with tempfile.TemporaryDirectory() as temporary:
        photos, path = Path(temporary, "photos"), Path(temporary, "run")
        link(folder, photos, known, other)
        run_measured(
            [
                *("-m", "keras_convmixer", "train", "--image-folder", photos),
                *("--model", MODEL, "--epochs", epochs, "--seed", seed),
                *("--run", path),
            ]
        )
        model, _, data = RunFolder(path).read()
        found = predict(model, data.held_out)
        test = predict(model, data.test)
    answers = Answers.of(found.probabilities, found.labels_of_probabilities)
    threshold = find_threshold(PRECISION, answers).value
    threshold = 2.0 if threshold is None else threshold
    names = np.array(data.classes)

    def row(kind, probabilities, right=None):
        given = names[probabilities.argmax(-1)]
        named = given != OTHER if right is None else given == right
        sure = probabilities.max(-1) >= threshold
        return {
            "seed": seed,
            "other": " ".join(other),
            "pictures": kind,
            "number": len(named),
            "named_percent": percent(named),
            "named_and_sure_percent": percent(named & sure),
        }

    # Those of the class "other" are counted below.
    own = names[test.labels] != OTHER
    rows = [
        row(
            "of the classes, named rightly",
            test.probabilities[own],
            right=names[test.labels[own]],
        )
    ]
    for kind, pictures in shown.items():
        rows.append(row(kind, model.predict(pictures, verbose=0)))
    return rows


def percent(chosen):
    return round(100 * float(np.mean(chosen)), 2)


def link(folder, target, known, other):
    """A folder of the known classes, and one of all others, by links."""
    for part in ("train", "test"):
        source, place = folder / part, target / part
        place.mkdir(parents=True)
        for name in known:
            (place / name).symlink_to(source / name)
        for name in other:
            (place / OTHER).mkdir(exist_ok=True)
            for path in (source / name).iterdir():
                (place / OTHER / f"{name}_{path.name}").symlink_to(path)


if __name__ == "__main__":
    main()
