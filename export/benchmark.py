"""`python -m export.benchmark FILE...`: what exported files cost, and where."""

import collections
import re
import sys
from pathlib import Path

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import (
    Parser,
    in_new_process,
    one_line_errors,
    positive_float,
    positive_int,
    quiet_tensorflow,
)
from keras_convmixer.utils.processors import num_cpus


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m export.benchmark",
        description="Prints latency, memory, size and operators of .tflite "
        "files that `python -m export` wrote, and what XNNPACK and GPUs take.",
    )
    add = parser.add_argument
    add(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="a .tflite file",
    )
    add(
        "--threads",
        nargs="+",
        type=positive_int,
        default=sorted({1, num_cpus()}),
        metavar="N",
        help="CPU threads to measure with (default: 1 and all cores)",
    )
    add(
        "--seconds",
        type=positive_float,
        default=2.0,
        metavar="S",
        help="seconds per measurement (default: %(default)s)",
    )
    return parser.parse_args(arguments)


@one_line_errors()
def main(arguments=None):
    args = parse_arguments(arguments)
    from keras_convmixer.utils.tables import markdown_table

    for path in args.files:
        if not path.is_file():
            raise UserError(f"FILE must be a file. Received: {path}")
    rows = [
        in_new_process(benchmark, path, threads, args.seconds)
        for path in args.files
        for threads in args.threads
    ]
    print(markdown_table(rows))
    reports = in_new_process(delegate_reports, args.files)
    print(f"\n{markdown_table(reports)}")


def delegate_reports(files):
    """A row for each file: what each delegate takes of it."""
    quiet_tensorflow("tensorflow")
    from .delegates import delegate_report

    return [{"file": path.name, **delegate_report(path)} for path in files]


def benchmark(path, threads, seconds):
    """Times one image at a time, in a process of its own.

    Args:
        path: The file.
        threads: How many it runs with.
        seconds: How long to go on, about.

    Returns:
        One row of the table. The memory is by how much the peak of the
        process grew, None on Windows; a partition is a part of the graph
        that a delegate runs.
    """
    import numpy as np

    from keras_convmixer.evaluation.runtime import TFLiteFile, timings

    empty = peak_megabytes()
    file = TFLiteFile(path, threads)
    image = np.zeros((1, *file.image_size, file.channels), file.image_type)
    times = timings(file, image, seconds)
    grown = None if empty is None else peak_megabytes() - empty
    operators = collections.Counter(file.operators())
    partitions = operators.pop("DELEGATE", 0)
    return {
        "file": path.name,
        "KB": round(path.stat().st_size / 1000),
        "threads": threads,
        "median ms": f"{np.median(times):.2f}",
        "p90 ms": f"{np.percentile(times, 90):.2f}",
        "memory MB": grown,
        "partitions": partitions,
        "operators": ", ".join(
            f"{count} {name}" for name, count in operators.most_common()
        ),
    }


def peak_megabytes():
    """In units of 10**6 bytes, of this process alone; None on Windows."""
    if sys.platform == "win32":
        return None
    if sys.platform == "darwin":
        import resource  # Windows has no such module.

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 10**6
    # getrusage also counts what the process that started this one held.
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 // 10**6


if __name__ == "__main__":
    main()
