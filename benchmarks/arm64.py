"""How many instructions a 64-bit ARM core executes for one image.

python -m benchmarks.arm64
python -m benchmarks.arm64 128/8/k7/p2@32 --formats dynamic int8

The core is emulated (see `emulated.core`), so the numbers are those of any
machine. Instructions are not time: one may add 4 floats or multiply 16 bytes,
and a load may have to wait.
"""

import tempfile
from pathlib import Path

from benchmarks.emulated.core import CORE, count_instructions, install
from benchmarks.latency import LATENCY_FORMATS, stock_format, write_files
from benchmarks.measure import RESULTS, measure_networks
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)

NETWORKS = ("128/8/k7/p2@32", "256/8/k7/p7@112")
FOLDER = Path("~/.cache/keras_convmixer/arm64").expanduser()


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.arm64",
        description="Counts the instructions of TFLite files on ARM.",
    )
    add = parser.add_argument
    add(
        "networks",
        nargs="*",
        default=NETWORKS,
        metavar="NETWORK",
        help="as for benchmarks.latency; by default " + " and ".join(NETWORKS),
    )
    add(
        "--formats", nargs="+", choices=LATENCY_FORMATS, default=LATENCY_FORMATS
    )
    add("--representative-images", type=positive_int, default=4)
    add(
        "--folder",
        type=Path,
        default=FOLDER,
        help="where the emulated core is installed once, some 300 MB",
    )
    add("--output", type=Path, default=RESULTS / "arm64.csv")
    args = parser.parse_args(arguments)
    args.implementations = ("stock", "ours")
    return args


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        install(args.folder)  # What is missing is said at once.
        quiet_tensorflow()
        measure_networks(
            args.networks, lambda variant: count(variant, args), args.output
        )


def count(variant, args):
    """The rows of one network."""
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(variant, args, Path(folder))
        paths = [path for path, _ in files.values()]
        counts = count_instructions(paths, args.folder)
        sizes = [path.stat().st_size for path in paths]
    instructions = dict(zip(files, counts, strict=True))
    return [
        {
            "format": format,
            "implementation": implementation,
            "core": CORE,
            "instructions": number,
            "times_fewer_than_stock": round(
                instructions["stock", stock_format(format)] / number, 2
            ),
            "bytes": size,
        }
        for (implementation, format), number, size in zip(
            files, counts, sizes, strict=True
        )
    ]


if __name__ == "__main__":
    main()
