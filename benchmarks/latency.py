"""How fast the files are: ours, the stock converter's, and other programs.

python -m benchmarks.latency 512/6/k7/p7@224 1024/8/k9/p14@224 convmixer_256_8
python -m benchmarks.latency convmixer_768_32 --implementations ours \\
    --formats float32 int8 --threads 1

Latency is that of one image, in milliseconds. Every file is written by a
process of its own, whose peak memory is measured. For each number of threads
everything is timed in turns, PyTorch in a process of its own.
"""

import importlib.util
import os
import tempfile
from pathlib import Path

from benchmarks.measure import (
    RESULTS,
    interleaved_processes,
    measure_networks,
)
from export.benchmark import peak_megabytes
from keras_convmixer.utils.commands import (
    Parser,
    in_new_process,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)

IMPLEMENTATIONS = ("stock", "ours", "onnx", "tensorflow", "pytorch")
LATENCY_FORMATS = ("float32", "float16", "dynamic", "int8", "int8_fast")
# The stock converter's files that formats of ours only are compared with.
STOCK_FORMATS = {"int8_fast": "int8"}
MATRIX_PRODUCT = ("matrix product", "float32")
ONNX = ("onnx", "float32")


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.latency",
        description="Times TFLite files, TensorFlow and PyTorch.",
    )
    add = parser.add_argument
    add(
        "networks",
        nargs="+",
        metavar="NETWORK",
        help="a name of `python -m keras_convmixer list`, or "
        "DIM/DEPTH/kKERNEL/pPATCH[/ACTIVATION][@SIZE]",
    )
    add(
        "--formats", nargs="+", choices=LATENCY_FORMATS, default=LATENCY_FORMATS
    )
    add(
        "--implementations",
        nargs="+",
        choices=IMPLEMENTATIONS,
        default=IMPLEMENTATIONS,
        help="onnx and pytorch are left out where they are not installed",
    )
    add("--threads", nargs="+", type=thread_count, default=(1, os.cpu_count()))
    add("--rounds", type=positive_int, default=20, help="turns of each")
    add("--representative-images", type=positive_int, default=4)
    add("--output", type=Path, default=RESULTS / "latency.csv")
    return parser.parse_args(arguments)


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        quiet_tensorflow()
        measure_networks(
            args.networks,
            lambda variant: benchmark(variant, args),
            args.output,
        )


def benchmark(variant, args):
    """The rows of one network."""
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(variant, args, Path(folder))
        with_tensorflow = "tensorflow" in args.implementations
        with_pytorch = (
            "pytorch" in args.implementations
            and importlib.util.find_spec("torch") is not None
        )
        rows = []
        for threads in args.threads:
            builders = [
                (tensorflow_runs, (variant, files, with_tensorflow, threads))
            ]
            if with_pytorch:
                builders.append((pytorch_runs, (variant, threads)))
            results = interleaved_processes(builders, threads, args.rounds)
            rows += table(variant, files, results, threads)
    return rows


def write_files(variant, args, folder):
    """Path and peak memory of each file, by implementation and format."""
    import keras

    wanted = {  # In order, each once.
        (implementation, format): None
        for format in args.formats
        for implementation, format in (
            ("stock", stock_format(format)),
            ("ours", format),
        )
        if implementation in args.implementations
    }
    if "onnx" in args.implementations and importlib.util.find_spec("onnx"):
        wanted[ONNX] = None
    progress = keras.utils.Progbar(len(wanted), unit_name="file")
    files = {}
    for key in wanted:
        path = folder / f"{len(files)}.tflite"
        images = args.representative_images
        files[key] = (
            path,
            in_new_process(write_file, variant, *key, images, path),
        )
        progress.add(1)
    return files


def write_file(variant, implementation, format, image_count, path):
    """Writes a file; returns the peak memory of this process in MB."""
    quiet_tensorflow()
    from benchmarks.networks import random_images, random_model
    from benchmarks.stock import convert_stock
    from export.tflite import convert

    with open(os.devnull, "w") as nowhere:  # The converters talk much.
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    model = random_model(variant)
    if implementation == "onnx":
        from export.onnx_file import onnx_file  # Its packages are an extra.

        contents = onnx_file(model)
    else:
        converter = {"stock": convert_stock, "ours": convert}[implementation]
        images = random_images(variant, image_count)
        contents = converter(model, format, images)
    path.write_bytes(contents)
    return peak_megabytes()


def tensorflow_runs(variant, files, with_tensorflow, threads):
    """Functions by implementation and format; the matrix product's last."""
    quiet_tensorflow()
    import tensorflow as tf

    from benchmarks.measure import onnx_run, tflite_run
    from benchmarks.networks import matrix_product, tensorflow_network

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    runs = {
        key: onnx_run(path, threads)
        if key == ONNX
        else tflite_run(path.read_bytes(), threads)
        for key, (path, _) in files.items()
    }
    if with_tensorflow:
        runs["tensorflow", "float32"] = tensorflow_network(variant)
    runs[MATRIX_PRODUCT] = matrix_product(variant)
    return runs


def pytorch_runs(variant, threads):
    """The same of PyTorch."""
    from benchmarks.networks import pytorch_network

    return {("pytorch", "float32"): pytorch_network(variant, threads)}


def table(variant, files, results, threads):
    """The rows of one network and one number of threads."""
    from benchmarks.measure import spread, times_as_fast
    from benchmarks.networks import pointwise_multiply_adds

    multiply_adds = {key: variant.multiply_adds for key in results}
    multiply_adds[MATRIX_PRODUCT] = pointwise_multiply_adds(variant)
    times = {key: spread(turns) for key, turns in results.items()}
    rates = {
        key: multiply_adds[key] / times[key]["median_ms"] / 1e6
        for key in results
    }
    rows = []
    for key, turns in results.items():
        implementation, format = key
        stock, pytorch = None, None
        if key != MATRIX_PRODUCT:
            stock = results.get(("stock", stock_format(format)))
            pytorch = results.get(("pytorch", "float32"))
        path, peak = files.get(key, (None, None))
        rows.append(
            {
                "format": format,
                "implementation": implementation,
                "threads": threads,
                **times[key],
                "times_as_fast_as_stock": times_as_fast(turns, stock),
                "times_as_fast_as_pytorch": times_as_fast(turns, pytorch),
                "bytes": path and path.stat().st_size,
                "export_peak_mb": peak,
                "gmacs_per_s": round(rates[key], 1),
                "share_of_matrix_product": round(
                    rates[key] / rates[MATRIX_PRODUCT], 3
                ),
            }
        )
    return rows


def stock_format(format):
    """The stock converter's format to compare one of ours with."""
    return STOCK_FORMATS.get(format, format)


def thread_count(text):
    return os.cpu_count() if text == "all" else positive_int(text)


if __name__ == "__main__":
    main()
