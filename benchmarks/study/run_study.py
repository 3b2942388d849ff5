"""What the paper claims: trainings that differ in one thing each.

python -m benchmarks.study --data-dir tfds/ --runs runs/study
python -m benchmarks.study --only kernel --seeds 3

All networks of a question have the recipe, the images and the number of steps
in common. One that is in the CSV is not trained again, one that was stopped
goes on. The accuracy is that of the last epoch on the held-out images, which
choose nothing.
"""

from pathlib import Path

from benchmarks.measure import (
    RESULTS,
    read_rows,
    rows_with,
    write_csv,
)
from benchmarks.study.questions import (
    KEY,
    LEARNING_RATES,
    OURS,
    questions,
    run_folder,
)
from benchmarks.study.summary import summary
from keras_convmixer.training.recipes import RECIPES
from keras_convmixer.utils.checks import UserError, check_choice
from keras_convmixer.utils.commands import (
    Parser,
    new_process,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)
from keras_convmixer.utils.tables import markdown_table


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.study",
        description="Trains networks that differ in one thing each.",
    )
    add = parser.add_argument
    add("--dataset", default="cifar10", help="of tensorflow-datasets")
    add("--data-dir")
    add("--recipe", default="cifar10_cpu", choices=RECIPES)
    add("--only", metavar="QUESTION", help=", ".join(questions(32)))
    add("--seeds", type=positive_int, default=2, help="trainings of each")
    add("--epochs", type=positive_int, default=5)
    add("--size", type=positive_int, default=32, help="of images, in pixels")
    add("--runs", type=Path, default=Path("runs", "study"))
    add("--output", type=Path, default=RESULTS / "study.csv")
    add("--pictures", type=Path, default=Path("docs", "images"), help="to here")
    return parser.parse_args(arguments)


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        if args.only:
            check_choice("--only", args.only, questions(args.size))
        rows = read_rows(args.output)
        for training in trainings(args, rows):
            if rows_with(rows, training):
                continue
            known = rows_with(rows, {name: training[name] for name in KEY})
            measured = known[0] if known else run_training(training, args)
            rows.append(measured | training)
            write_csv(args.output, rows)
        if rows:
            print(markdown_table(summary(rows)))
            from benchmarks.study.pictures import plot_study

            plot_study(rows, args.runs, args.pictures)


def trainings(args, rows):
    """The rows to have, without what is measured.

    Args:
        args: The command's arguments.
        rows: Those that are there, and more and more of these: the learning
            rates of the rivals and their times are read from them.
    """
    for question, subjects in questions(args.size).items():
        if args.only not in (None, question):
            continue
        # One is enough to see with which rate a network learns.
        seeds = 1 if question == "learning rate" else args.seeds
        for seed in range(seeds):
            for subject in subjects:
                yield described(question, subject, seed, args, rows)


def described(question, subject, seed, args, rows):
    rate = subject.learning_rate or RECIPES[args.recipe].learning_rate
    if rate == "best":
        rate = best_rate(subject.network, rows)
    epochs = args.epochs
    if subject.equal_time:
        epochs = round(
            epochs * speed(subject.network, rows) / speed(OURS, rows)
        )
    return {
        "question": question,
        "dataset": args.dataset,
        "recipe": args.recipe,
        "image_size": args.size,
        "epochs": max(epochs, 1),
        "network": subject.network,
        "change": subject.change,
        "learning_rate": rate,
        "seed": seed,
    }


def best_rate(network, rows):
    """The rate with which a network learned its training images best."""
    found = answered("learning rate", network, rows, count=len(LEARNING_RATES))
    best = max(found, key=lambda row: float(row["train_top1"]))
    return float(best["learning_rate"])


def speed(network, rows):
    """Images a second of a processor, the mean over a network's trainings."""
    found = answered("rivals", network, rows)
    rates = [float(row["images_a_second"]) for row in found]
    return sum(rates) / len(rates)


def answered(question, network, rows, count=1):
    """A network's rows, so many at least, that another question builds on."""
    found = rows_with(rows, {"question": question, "network": network})
    if len(found) < count:
        raise UserError(
            f"this builds on an earlier question: --only {question!r}"
        )
    return found


def run_training(training, args):
    """Trains in a process of its own; what was measured."""
    print(", ".join(str(training[name]) for name in KEY), flush=True)
    folder = run_folder(args.runs, training)
    with new_process(quiet_tensorflow) as process:
        return process.submit(trained, training, args.data_dir, folder).result()


def trained(training, data_dir, folder):
    from benchmarks.study.training import train

    return train(training, data_dir, folder)
