"""Every set of weights in the package, in every format: what it is worth.

python -m benchmarks.leaderboard --data-dir tfds/

Accuracy and calibration are those of the file, on the held-out images; times
are in turns beside the stock converter's files, and instructions those of an
emulated ARM core (see `benchmarks.arm64`).
"""

import tempfile
from pathlib import Path

from benchmarks.arm64 import FOLDER
from benchmarks.latency import LATENCY_FORMATS, stock_format
from benchmarks.measure import RESULTS, write_csv
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)
from keras_convmixer.weights.shipped import (
    shipped_files,
    trained_on_and_network,
)

ROUNDS = 20


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.leaderboard",
        description="Measures the files of the weights in the package.",
    )
    add = parser.add_argument
    add("--data-dir", help="where tensorflow-datasets keeps the data sets")
    add("--images", type=positive_int, help="at most, of those held out")
    add(
        "--formats", nargs="+", choices=LATENCY_FORMATS, default=LATENCY_FORMATS
    )
    add("--arm64", type=Path, default=FOLDER, help="as --folder of that")
    add("--output", type=Path, default=RESULTS / "leaderboard.csv")
    return parser.parse_args(arguments)


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        from benchmarks.emulated.core import install

        install(args.arm64)  # Before any training, in case it fails.
        quiet_tensorflow()
        from keras_convmixer.utils.tables import markdown_table

        rows = []
        for path in shipped_files():
            rows += measure(path, args)
        print(markdown_table(rows))
        write_csv(args.output, rows)


def measure(weights, args):
    """A row for each format of a set of weights.

    Args:
        weights: One of `shipped_files()`.
        args: The command's arguments.
    """
    from benchmarks.emulated.core import count_instructions
    from benchmarks.measure import interleaved, spread, tflite_run
    from benchmarks.networks import shipped_network
    from benchmarks.stock import convert_stock
    from export import REPRESENTATIVE_IMAGES
    from export.tflite_export import export_tflite
    from keras_convmixer.data.image_data import as_arrays, sample

    model, data = shipped_network(weights, args.data_dir)
    held_out = as_arrays(data.held_out, args.images or -1)
    representative = sample(data.train, REPRESENTATIVE_IMAGES)
    stock = {
        format: convert_stock(model, format, representative)
        for format in {stock_format(format) for format in args.formats}
    }
    with tempfile.TemporaryDirectory() as folder:
        results = [
            export_tflite(
                model,
                Path(folder, f"{format}.tflite"),
                format=format,
                labels=data.classes,
                representative_images=representative,
                verification=held_out,
                verbose=False,
            )
            for format in args.formats
        ]
        paths = [result.path for result in results]
        instructions = count_instructions(paths, args.arm64)
        runs = {("stock", format): file for format, file in stock.items()}
        runs |= {("ours", path.stem): path.read_bytes() for path in paths}
    runs = {key: tflite_run(file, 1) for key, file in runs.items()}
    times = interleaved(runs, 1, ROUNDS)
    milliseconds = {
        key: spread(turns)["median_ms"] for key, turns in times.items()
    }
    return [
        {
            "data": data.name,
            "network": trained_on_and_network(weights)[1],
            "images": len(held_out[1]),
            "format": result.format,
            "top1": round(100 * result.top1, 2),
            "agreement": round(100 * result.agreement, 2),
            "ece": round(100 * calibration_error(result.answers), 2),
            "bytes": result.bytes,
            "ms_1_thread": milliseconds["ours", result.format],
            "stock_ms_1_thread": milliseconds[
                "stock", stock_format(result.format)
            ],
            "arm_instructions": number,
        }
        for result, number in zip(results, instructions, strict=True)
    ]


def calibration_error(answers):
    """The expected calibration error of a file's `Answers`."""
    from keras_convmixer.evaluation.scores import Reliability

    return Reliability(answers.confidence, answers.is_right).error


if __name__ == "__main__":
    main()
