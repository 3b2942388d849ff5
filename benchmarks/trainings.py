"""Ways to train on the same images, each with several seeds.

python -m benchmarks.trainings photos/ --way "--recipe photographs" \
    --way "--recipe photographs --model 256/8/k7/p7@112" --runs runs/ways

A way is the options of `convmixer train`. Each training is one of these, in a
process of its own; one that is in the CSV is not done again, one that was
stopped goes on. The accuracy is that of the last epoch on the test part, or
where there is none on the held-out images, which choose nothing but the
temperature. The seed chooses the held-out images too.
"""

import json
import math
import shlex
import statistics
from pathlib import Path

from benchmarks.measure import (
    RESULTS,
    folder_name,
    read_rows,
    rows_with,
    run_measured,
    write_csv,
)
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
)
from keras_convmixer.utils.tables import markdown_table


def main(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.trainings",
        description="Trains in several ways, each with several seeds.",
    )
    add = parser.add_argument
    add("folder", type=Path, help="of images, as convmixer train has it")
    add(
        "--way",
        action="append",
        required=True,
        metavar="OPTIONS",
        help="of convmixer train; can be given several times",
    )
    add("--seeds", type=positive_int, default=3, help="trainings of each")
    add("--runs", type=Path, default=Path("runs", "trainings"))
    add("--output", type=Path, default=RESULTS / "trainings.csv")
    args = parser.parse_args(arguments)
    folder, runs = args.folder.resolve(), args.runs.resolve()
    with one_line_errors():
        rows = read_rows(args.output)
        for seed in range(args.seeds):
            for way in args.way:
                key = {"data": folder.name, "way": way, "seed": seed}
                if not rows_with(rows, key):
                    rows.append(key | train(folder, runs, key))
                    write_csv(args.output, rows)
        print(markdown_table(summary(rows)))


def train(folder, runs, key):
    """What a training reached; and took, if it was not stopped meanwhile."""
    run, program = (
        runs / folder_name(key.values()),
        ["-m", "keras_convmixer", "train"],
    )
    took = {}
    if not run.exists():
        options = [*shlex.split(key["way"]), "--seed", key["seed"]]
        options += ["--image-folder", folder, "--run", run]
        _, took = run_measured([*program, *options])
    elif not (run / "metrics.json").exists():
        run_measured([*program, "--resume", run])
    metrics = json.loads((run / "metrics.json").read_text())
    last = read_rows(run / "history.csv")[-1]
    return {
        "epochs": int(last["epoch"]) + 1,
        "train_top1": round(100 * float(last["accuracy"]), 2),
        "top1": round(100 * metrics.get("test", metrics)["top1"], 2),
        "minutes": took.get("minutes"),
        "processor_minutes": took.get("processor_minutes"),
    }


def summary(rows):
    """A row for each way: the mean and the range over its seeds.

    Args:
        rows: Dicts of the CSV.
    """
    groups = {}
    for row in rows:
        groups.setdefault((row["data"], row["way"]), []).append(row)
    return [
        {
            "data": data,
            "options": way,
            "seeds": len(found),
            "training accuracy %": f"{mean(found, 'train_top1'):.1f}",
            "top-1 %": f"{mean(found, 'top1'):.1f}",
            "lowest, highest": ", ".join(
                f"{extreme(float(row['top1']) for row in found):.1f}"
                for extreme in (min, max)
            ),
            "CPU minutes": f"{mean(found, 'processor_minutes'):.0f}",
        }
        for (data, way), found in groups.items()
    ]


def mean(rows, name):
    """Of those rows that have it."""
    found = [float(row[name]) for row in rows if row[name]]
    return statistics.fmean(found) if found else math.nan


if __name__ == "__main__":
    main()
