"""The tables of README and docs, from `benchmarks/results/`.

python -m benchmarks.tables
"""

import csv
from statistics import fmean

from benchmarks.latency import stock_format
from benchmarks.measure import RESULTS
from benchmarks.other_class import OTHER
from keras_convmixer.utils.tables import markdown_table


def main():
    for rows in (
        results_table(),
        training_table(),
        pipeline_table(),
        augmentation_table(),
        rehearsal_table(),
        accuracy_table(),
        compression_table(),
        latency_table(),
        full_size_table(),
        arm64_table(),
        onnx_table(),
        calibration_table(),
        unknown_table(),
        other_class_table(),
    ):
        print(f"{markdown_table(rows)}\n")


def results_table():
    """The CIFAR-10 network: a row for each of our files."""
    rows = [row for row in read("accuracy.csv") if row["data"] == "cifar10"]
    stock = {
        row["format"]: float(row["ms_1_thread"])
        for row in rows
        if row["implementation"] == "stock"
    }

    def times_as_fast(row):
        reference = stock.get(row["format"].removesuffix("_qat"))
        return reference and round(reference / float(row["ms_1_thread"]), 1)

    return [
        {
            "file": row["format"],
            "top-1 %": row["top1"],
            "KB": kilobytes(row["bytes"]),
            "ms": milliseconds(row["ms_1_thread"]),
            "times as fast as the stock file": times_as_fast(row),
        }
        for row in rows
        if row["implementation"] == "ours"
    ]


def calibration_table():
    """The calibration errors of a row for each network, in percent."""

    def percent(row, name):
        return f"{100 * float(row[name]):.1f}"

    return [
        {
            "data": row["data"],
            "top-1 %": row["top1"],
            "images": row["images"],
            "temperature": f"{float(row['temperature']):.2f}",
            "error before %": percent(row, "ece_before"),
            "error %": percent(row, "ece"),
            "by chance %": percent(row, "ece_by_chance"),
            "measured on": row["of"],
        }
        for row in read("calibration.csv")
    ]


def unknown_table():
    """Which share of images is answered, a row for each kind of them."""
    names = ("images", "number")
    return [
        {
            k: v
            for k, v in row.items()
            if k in names or k.startswith("precision")
        }
        for row in read("unknown.csv")
    ]


def other_class_table():
    """What gets the name of a class, with and without one of other things.

    Mean over the seeds, and from the least to the most.
    """
    found = {}
    for row in read("other_class.csv"):
        trained = f"with {OTHER}" if row["other"] else "without"
        columns = (
            (trained, "named_percent"),
            (f"{trained}, sure", "named_and_sure_percent"),
        )
        cells = found.setdefault(row["pictures"], {})
        for column, name in columns:
            cells.setdefault(column, []).append(float(row[name]))
    return [
        {
            "pictures": kind,
            **{
                column: f"{fmean(values):.1f} ({min(values):.0f} to "
                f"{max(values):.0f})"
                for column, values in cells.items()
            },
        }
        for kind, cells in found.items()
    ]


def training_table():
    """A row for every network: images a second of each implementation."""
    networks = {}
    for row in read("training.csv"):
        name = row["network"]
        rates = networks.setdefault(name, {"network": name})
        rates[row["implementation"]] = row["images_a_second"]
    return list(networks.values())


def pipeline_table():
    """Images a second of the input pipeline, of each recipe."""
    return [
        {
            "recipe": row["recipe"],
            "pixels": row["image_size"],
            "augmentation": row["augmentation"],
            "images a second": int(row["images_a_second"]),
        }
        for row in read("pipeline.csv")
    ]


def augmentation_table():
    """Mean and deviation over images of what is measured of each."""
    return [
        {
            "measure": f"{row['measure']}, {row['over_images']}",
            "timm": row["timm"],
            "ours": row["ours"],
            "difference, %": row["difference_percent"],
        }
        for row in read("augmentation.csv")
    ]


def rehearsal_table():
    """Speed, memory and time of each stage of ImageNet's rehearsal."""
    return [
        {
            "stage": row["stage"],
            "images": f"{int(row['pictures']):,}",
            "images a second": f"{int(row['images_a_second']):,}",
            "peak memory, MB": f"{int(row['peak_mb']):,}",
            "minutes": row["minutes"],
            "processor minutes": row["processor_minutes"],
        }
        for row in read("rehearsal.csv")
    ]


def accuracy_table():
    """Rows for every trained network: Keras, the stock files, ours."""
    return [
        {
            "data": row["data"],
            "file": f"{row['implementation']} {row['format']}",
            "top-1 %": row["top1"],
            "difference": row["difference"],
            "agreement %": row["agreement"] or None,
            "KB": kilobytes(row["bytes"]),
            "ms": milliseconds(row["ms_1_thread"]),
        }
        for row in read("accuracy.csv")
    ]


def compression_table():
    """What zeros and shared values in the pointwise kernels would save."""
    return [
        {
            "file": row["file"],
            "top-1 %": row["top1"],
            "KB": kilobytes(row["bytes"]),
            "KB, gzip": kilobytes(row["gzip_bytes"]),
            "ms": milliseconds(row["ms_1_thread"]),
        }
        for row in read("compression.csv")
    ]


def latency_table():
    """Rows for one thread: the stock file, ours, and their ratio."""
    rows = [row for row in read("latency.csv") if row["threads"] == "1"]
    stock = {
        (row["network"], row["format"]): row["median_ms"]
        for row in rows
        if row["implementation"] == "stock"
    }
    return [
        {
            "network": row["network"],
            "format": row["format"],
            "stock, ms": milliseconds(
                stock[row["network"], stock_format(row["format"])]
            ),
            "ours, ms": milliseconds(row["median_ms"]),
            "times as fast": row["times_as_fast_as_stock"],
            "as PyTorch": row["times_as_fast_as_pytorch"],
        }
        for row in rows
        if row["implementation"] == "ours"
    ]


def full_size_table():
    """Rows for the files of the released networks."""
    return [
        {
            "network": row["network"],
            "format": row["format"],
            "ms": milliseconds(row["median_ms"]),
            "MB": round(int(row["bytes"]) / 1e6, 1),
            "export's peak memory, MB": int(row["export_peak_mb"]),
        }
        for row in read("full_size.csv")
        if row["implementation"] == "ours"
    ]


def arm64_table():
    """A row for each network and format: the stock file, ours, their ratio."""
    rows = read("arm64.csv")
    stock = {
        (row["network"], row["format"]): row["instructions"]
        for row in rows
        if row["implementation"] == "stock"
    }
    return [
        {
            "network": row["network"],
            "format": row["format"],
            "stock, million": millions(
                stock[row["network"], stock_format(row["format"])]
            ),
            "ours, million": millions(row["instructions"]),
            "times fewer": row["times_fewer_than_stock"],
            "ours, KB": kilobytes(row["bytes"]),
        }
        for row in rows
        if row["implementation"] == "ours"
    ]


def onnx_table():
    """Rows for the float32 files: that for LiteRT, that for ONNX Runtime."""
    times = {
        (row["network"], row["implementation"]): row["median_ms"]
        for row in read("onnx.csv")
    }
    networks = [
        name for name, implementation in times if implementation == "onnx"
    ]
    return [
        {
            "network": name,
            "LiteRT, ms": milliseconds(times[name, "ours"]),
            "ONNX Runtime, ms": milliseconds(times[name, "onnx"]),
            "times as fast": round(
                float(times[name, "ours"]) / float(times[name, "onnx"]), 2
            ),
        }
        for name in networks
    ]


def milliseconds(text):
    """Two digits, or whole milliseconds; None for nothing."""
    if not text:
        return None
    value = float(text)
    return f"{value:.0f}" if value >= 9.95 else f"{value:#.2g}"


def millions(text):
    return f"{int(text) / 1e6:.1f}"


def kilobytes(text):
    return f"{int(text) / 1000:,.0f}" if text else None


def read(name):
    with (RESULTS / name).open(newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
