"""Measures trainings on a GPU.

python -m benchmarks.gpu
python -m benchmarks.gpu --rest
python -m benchmarks.gpu --only 1024 --only repeat --seconds 120

The most important rows come first. Each is appended to the CSV file as soon as
it is measured, with its error if it fails; of rows of one name the last counts.
What the time does not suffice for is named at the end, and `--rest` measures
what the file lacks or has an error of. `--list` prints the names.

A step is that of `model.fit` on one batch in memory: Keras', as `train.py`
compiles it, on TensorFlow and on JAX, and PyTorch's of the same network, whose
batch is on the GPU. `peak_gib` is the most memory that was in use at a time
while steps were done; on JAX since the start, compilation included. "input" is
reading, decoding and augmentation alone, on all cores; "fit" a training with
it; "repeat" two trainings of one seed, of whose weights it has the largest
difference. TensorFlow, PyTorch and JAX have processes of their own.
"""

import csv
import sys
import time
from pathlib import Path

from benchmarks.gpu.rows import ROWS, SMALL_ROWS
from benchmarks.gpu.worker import Workers
from benchmarks.measure import RESULTS, machine, read_rows, versions
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_float,
)
from keras_convmixer.utils.tables import markdown_table

SECONDS = 350
SECONDS_A_ROW = 180
LEAST_SECONDS = 10  # In fewer no row is begun.
COLUMNS = (
    "row",
    "images_a_second",
    "step_ms",
    "first_step_s",
    "peak_gib",
    "difference",
    "error",
    "device",
    "machine",
    "versions",
)


def main(arguments=None):
    parser = Parser(description="Measures trainings on a GPU.")
    parser.add_argument(
        "--only",
        action="append",
        metavar="TEXT",
        help="rows with this in their name; can be given several times",
    )
    parser.add_argument(
        "--rest",
        action="store_true",
        help="rows that the file lacks, or has an error of",
    )
    parser.add_argument(
        "--seconds",
        type=positive_float,
        default=SECONDS,
        help=f"for the whole call (default: {SECONDS})",
    )
    parser.add_argument(
        "--small", action="store_true", help="tiny networks, on a CPU too"
    )
    parser.add_argument("--list", action="store_true", help="names of the rows")
    parser.add_argument("--output", type=Path, default=RESULTS / "gpu.csv")
    args = parser.parse_args(arguments)
    rows = SMALL_ROWS if args.small else ROWS
    if args.only:
        rows = [row for row in rows if any(t in row.name for t in args.only)]
    if args.rest:
        measured = {
            row["row"] for row in read_rows(args.output) if not row["error"]
        }
        rows = [row for row in rows if row.name not in measured]
    if not rows:
        parser.error("no row is left. --list prints the names of all")
    if args.list:
        print("\n".join(row.name for row in rows))
        return
    with one_line_errors():
        measured = measure(rows, args.seconds, args.output)
        print(markdown_table(measured))
        print(f"Written to {args.output}.")
        if left := [row.name for row in rows[len(measured) :]]:
            print(
                f"{len(left)} rows are left, which --rest measures: "
                + "; ".join(left),
                file=sys.stderr,
            )


def measure(rows, seconds, output):
    """Measures rows until the time is over; gives what the file has of them.

    Args:
        rows: The `Row`s, in the order in which they are measured.
        seconds: For all of them.
        output: The CSV file, to which each is appended.
    """
    end = time.monotonic() + seconds
    described = {"machine": machine(), "versions": versions()}
    done = []
    with Workers() as workers:
        for row in rows:
            left = end - time.monotonic()
            if left < min(LEAST_SECONDS, seconds / 2):
                break
            result = workers.measure(row, min(left, SECONDS_A_ROW))
            done.append({"row": row.name, **result})
            words = [f"{name} {value}" for name, value in done[-1].items()]
            print(", ".join(words), flush=True)
            append(output, {**done[-1], **described})
    columns = [name for name in COLUMNS if name not in described]
    return [{name: row.get(name) for name in columns} for row in done]


def append(path, row):
    """Adds a row to a CSV file, which has it whatever happens next."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
