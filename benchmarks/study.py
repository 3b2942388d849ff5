"""What of the network matters: trainings that differ in one thing each.

python -m benchmarks.study --dataset cifar10 --recipe cifar10_cpu \
    --output runs/study/study.csv --runs runs/study

Each training is `convmixer train` in a process of its own, with the recipe, the
images and the steps of all others. One that is in the CSV is not trained again,
one that was stopped goes on. The accuracy is that of the last epoch on the
held-out images, which choose nothing.
"""

import csv
import dataclasses
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import RESULTS, write_csv
from keras_convmixer.utils.checks import UserError, check_choice
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
)
from keras_convmixer.utils.tables import markdown_table
from keras_convmixer.variants import DEPTHWISE_INITIALIZERS, parse_variant

# Networks and initialisers; those of a question have equal width and depth.
QUESTIONS = {
    "initialiser": [("64/6/k9/p2", name) for name in DEPTHWISE_INITIALIZERS],
    "kernel": [(f"64/6/k{k}/p2", "uniform") for k in (3, 5, 7, 9, 11)],
    "patch": [(f"64/6/k5/p{p}", "uniform") for p in (1, 2, 4, 8)],
}


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.study",
        description="Trains networks that differ in one thing each.",
    )
    add = parser.add_argument
    add("--dataset", default="cifar10")
    add("--data-dir")
    add("--recipe", default="cifar10_cpu")
    add("--only", metavar="QUESTION", help=", ".join(QUESTIONS))
    add("--seeds", type=positive_int, default=2, help="trainings of each")
    add("--epochs", type=positive_int, default=10)
    add("--size", type=positive_int, default=32, help="of images, in pixels")
    add("--runs", type=Path, default=Path("runs", "study"))
    add("--output", type=Path, default=RESULTS / "study.csv")
    return parser.parse_args(arguments)


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        if args.only:
            check_choice("--only", args.only, QUESTIONS)
        rows = read_rows(args.output)
        for training in trainings(args):
            if not any(same(row, training) for row in rows):
                rows.append(training | {"top1": accuracy(training, args)})
                write_csv(args.output, rows)
        if rows:
            print(markdown_table(summary(rows)))


def trainings(args):
    """The rows to have, without their accuracy: seed after seed."""
    for question in [args.only] if args.only else QUESTIONS:
        for seed in range(args.seeds):
            for network, initializer in QUESTIONS[question]:
                yield described(network, initializer, seed, question, args)


def described(network, initializer, seed, question, args):
    variant = dataclasses.replace(
        parse_variant(network), image_size=args.size, classes=10
    )
    return {
        "question": question,
        "dataset": args.dataset,
        "recipe": args.recipe,
        "image_size": args.size,
        "epochs": args.epochs,
        "network": network,
        "initializer": initializer,
        "parameters": variant.parameters,
        "multiply_adds": variant.multiply_adds,
        "seed": seed,
    }


def same(row, training):
    """Whether a row of a CSV is of that training."""
    return all(row[name] == str(value) for name, value in training.items())


def accuracy(training, args):
    """Trains, or goes on; the last epoch's held-out accuracy in per cent."""
    names = ("dataset", "recipe", "image_size", "epochs", "network")
    parts = [training[name] for name in (*names, "initializer", "seed")]
    run = args.runs / "-".join(str(part).replace("/", "_") for part in parts)
    if not (run / "metrics.json").is_file():
        options = new_training(training, args.data_dir)
        if run.exists():
            options = ["--resume", run]
        else:
            options += ["--run", run]
        program = [sys.executable, "-m", "keras_convmixer", "train"]
        done = subprocess.run([*program, *map(str, options)], check=False)
        if done.returncode:
            raise UserError(f"the training of {run} ended with an error")
    with (run / "history.csv").open(newline="") as file:
        *_, last = csv.DictReader(file)
    return round(100 * float(last["val_accuracy"]), 2)


def new_training(training, data_dir):
    """The options of `convmixer train`."""
    options = ["--dataset", training["dataset"]]
    if data_dir:
        options += ["--data-dir", data_dir]
    return [
        *options,
        *("--recipe", training["recipe"]),
        *("--model", f"{training['network']}@{training['image_size']}"),
        *("--depthwise-initializer", training["initializer"]),
        *("--epochs", training["epochs"]),
        *("--seed", training["seed"]),
    ]


def read_rows(path):
    """The rows of an earlier call, without what `write_csv` adds."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        {k: v for k, v in row.items() if k not in ("machine", "versions")}
        for row in rows
    ]


def summary(rows):
    """Of each network the mean and the range over its seeds."""
    groups = {}
    for row in rows:
        key = tuple(
            str(row[name])
            for name in ("question", "network", "initializer", "epochs")
        )
        groups.setdefault(key, []).append(float(row["top1"]))
    return [
        {
            "question": question,
            "network": network,
            "initialiser": initializer,
            "epochs": epochs,
            "seeds": len(found),
            "top-1 %": f"{sum(found) / len(found):.2f}",
            "from, to": f"{min(found):.2f}, {max(found):.2f}",
        }
        for (question, network, initializer, epochs), found in groups.items()
    ]


if __name__ == "__main__":
    main()
