"""What eight bits cost: our files, and the stock converter's, on real images.

python -m benchmarks.accuracy runs/cifar10 runs/digits

Takes the results of `python -m export RUN --formats ...` from its report, and
converts the same model with the stock converter to compare.
"""

import json
import os
import tempfile
from pathlib import Path

from benchmarks.measure import RESULTS, write_csv
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    quiet_tensorflow,
)

ROUNDS = 20
STOCK_FORMATS = ("float32", "dynamic", "int8")


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.accuracy",
        description="Accuracy of exported files beside the stock converter's.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--output", type=Path, default=RESULTS / "accuracy.csv")
    return parser.parse_args(arguments)


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        quiet_tensorflow()
        from keras_convmixer.runs.run_folder import RunFolder
        from keras_convmixer.utils.tables import markdown_table

        rows = []
        for path in args.runs:
            rows += measure(RunFolder(path))
        print(markdown_table(rows))
        write_csv(args.output, rows)


def measure(run):
    """The rows of one run: Keras, the stock files, ours."""
    from benchmarks.measure import interleaved, spread, tflite_run
    from benchmarks.stock import convert_stock
    from export import REPRESENTATIVE_IMAGES
    from export.reference import Reference
    from keras_convmixer.data.image_data import as_arrays, sample
    from keras_convmixer.variants import short_form

    report = exported(run)
    model, recipe, data = run.read()
    reference = Reference.of_arrays(
        model, *as_arrays(data.held_out, report["images"])
    )
    representative = sample(data.train, REPRESENTATIVE_IMAGES)
    results, contents = {}, {}
    for format in STOCK_FORMATS:
        file = convert_stock(model, format, representative)
        contents["stock", format] = file
        results["stock", format] = vars(
            compared(file, format, stock_run, reference)
        )
    for result in report["files"]:
        if result["format"] != "saved_model":
            key = "ours", result["format"]
            results[key] = result
            contents[key] = (run.export_folder / result["file"]).read_bytes()
    times = interleaved(
        {key: tflite_run(file, 1) for key, file in contents.items()}, 1, ROUNDS
    )

    keras_top1 = report["keras"]["top1"]
    network = {
        "data": data.name,
        "network": f"{short_form(**recipe.network)}@{recipe.image_size}",
        "images": len(reference),
    }
    rows = [network | row("keras", "float32", {"top1": keras_top1}, keras_top1)]
    for key, result in results.items():
        latency = spread(times[key])["median_ms"]
        rows.append(network | row(*key, result, keras_top1, latency))
    return rows


def exported(run):
    """The report of a run's export."""
    from export.report import REPORT

    path = run.export_folder / REPORT
    if not path.is_file():
        raise ValueError(f"{run.path} is not exported: it has no {path.name}")
    return json.loads(path.read_text())


def compared(contents, format, load, reference):
    """The `Result` of a file's contents; `load` makes a path a function."""
    from export.verify import compare

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{format}.tflite")
        path.write_bytes(contents)
        run = load(path)
        return compare(path, format, run, reference)


def stock_run(path):
    """A function from uint8 `[1, H, W, 3]` to probabilities `[1, classes]`."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=os.cpu_count())
    interpreter.allocate_tensors()
    (image,) = interpreter.get_input_details()
    (output,) = interpreter.get_output_details()

    def run(pixels):
        values = np.float32(pixels)
        if image["dtype"] == np.int8:
            scale, zero_point = image["quantization"]
            values = np.rint(values / scale) + zero_point
        interpreter.set_tensor(image["index"], values.astype(image["dtype"]))
        interpreter.invoke()
        values = interpreter.get_tensor(output["index"])
        if output["dtype"] == np.int8:
            scale, zero_point = output["quantization"]
            values = scale * (np.float32(values) - zero_point)
        return values

    return run


def row(implementation, format, result, keras_top1, latency=None):
    """One line of the table; `result` has the fields of a `Result`."""

    def percent(share):
        return None if share is None else round(100 * share, 2)

    return {
        "implementation": implementation,
        "format": format,
        "top1": percent(result["top1"]),
        "difference": percent(result["top1"] - keras_top1),
        "agreement": percent(result.get("agreement")),
        "bytes": result.get("bytes"),
        "ms_1_thread": latency,
    }


if __name__ == "__main__":
    main()
