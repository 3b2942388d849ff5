"""`python -m export.benchmark FILE...`: what exported files cost, and where."""

import collections
import contextlib
import io
import re
import sys
from pathlib import Path

import numpy as np

from keras_convmixer.compat import operators_of
from keras_convmixer.evaluation.runtime import TFLiteFile, timings
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
from keras_convmixer.utils.tables import markdown_table


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m export.benchmark",
        description="Prints latency, memory, size and operators of .tflite "
        "files that `python -m export` wrote, and what XNNPACK and GPUs take.",
    )
    add = parser.add_argument
    add("files", nargs="+", type=Path, metavar="FILE", help="a .tflite file")
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


def benchmark(path, threads, seconds):
    """Times one image at a time, in a process of its own.

    Returns:
        One row of the table. The memory is by how much the peak of the
        process grew, None on Windows; a partition is a part of the graph
        that a delegate runs.
    """
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
        "operators": counted(operators),
    }


def counted(operators):
    """The operators of a `Counter`, such as "2 CONV_2D, 1 MEAN"."""
    return ", ".join(f"{n} {kind}" for kind, n in operators.most_common())


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


def delegate_reports(files):
    """A row for each file: what each delegate takes of it."""
    quiet_tensorflow("tensorflow")
    return [{"file": path.name, **delegate_report(path)} for path in files]


def delegate_report(path):
    """What each delegate leaves to the CPU, as far as measured.

    XNNPACK's answer is that of the interpreter, which runs it; the GPU's is
    that of TensorFlow's analyser.

    Args:
        path: A TFLite file that can be run.

    Returns:
        `{delegate: text}`: "all" or "nothing" it takes, or which operators it
        leaves, each of which splits the graph. The key also says how this was
        determined.
    """
    with TFLiteFile(path).interpreter() as interpreter:
        return {
            "XNNPACK (run)": left_by_xnnpack(interpreter),
            "GPU (analyser)": left_by_gpu(path, interpreter),
        }


def left_by_xnnpack(interpreter):
    """The operators that the interpreter runs itself, counted.

    It lists all operators, and each partition as one more with its inputs
    and outputs. What is run is found from the outputs of the graph back.
    """
    maker = {}
    for row in operators_of(interpreter):
        for tensor in row["outputs"]:
            is_partition = row["op_name"] == "DELEGATE"
            if is_partition or tensor not in maker:
                maker[tensor] = row
    waiting = [row["index"] for row in interpreter.get_output_details()]
    run = {}
    while waiting:
        row = maker.get(waiting.pop())
        if row and row["index"] not in run:
            run[row["index"]] = row["op_name"]
            waiting += list(row["inputs"])
    left = collections.Counter(sorted(run.values()))
    if not left.pop("DELEGATE", 0):
        return "nothing"
    return f"leaves {counted(left)}" if left else "all"


def left_by_gpu(path, interpreter):
    """What TensorFlow's analyser refuses, and the input that it ignores."""
    import tensorflow as tf

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        tf.lite.experimental.Analyzer.analyze(
            model_content=path.read_bytes(), gpu_compatibility=True
        )
    refused = re.findall(r"GPU COMPATIBILITY WARNING: (.*)", printed.getvalue())
    # MediaPipe's GPU path exchanges floats only.
    if interpreter.get_input_details()[0]["dtype"] == np.uint8:
        refused.append("uint8 input (MediaPipe refuses the file)")
    return "; ".join(dict.fromkeys(refused)) or "all"


if __name__ == "__main__":
    main()
