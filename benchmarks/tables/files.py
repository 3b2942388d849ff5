"""Exported files: their sizes, times, instructions and accuracy."""

from benchmarks.latency import stock_format
from benchmarks.measure import RESULTS, read_rows, rows_with


def leaderboard(rows=None):
    """The weights in the package: a row for each of their files.

    Args:
        rows: Those of the CSV to show; None for all.
    """
    if rows is None:
        rows = read_rows(RESULTS / "leaderboard.csv")
    return [
        {
            "network": row["network"],
            "file": row["format"],
            "top-1 %": row["top1"],
            "calibration error %": row["ece"],
            "KB": kilobytes(row["bytes"]),
            "ms": milliseconds(row["ms_1_thread"]),
            "speed-up over the stock file": round(
                float(row["stock_ms_1_thread"]) / float(row["ms_1_thread"]), 1
            ),
            "million instructions, ARM": millions(row["arm_instructions"]),
        }
        for row in rows
    ]


def highlights():
    """Three files of each network, for the README."""
    columns = ("network", "top-1 %", "file", "KB", "ms")
    columns += ("speed-up over the stock file",)
    return [
        {name: row[name] for name in columns}
        for row in leaderboard()
        if row["file"] in ("float32", "int8", "int8_fast")
    ]


def accuracy():
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
        for row in read_rows(RESULTS / "accuracy.csv")
    ]


def stock_int8():
    """What channels smaller than a step cost the stock converter."""
    return [
        {
            "network": row["network"],
            "channels": int(row["channels"]),
            "smaller than a step": row["small_channels"],
            "Keras, top-1 %": row["keras_top1"],
            "without them": row["keras_top1_without"],
            "stock int8, top-1 %": row["stock_top1"],
            "without those": row["stock_top1_without"],
        }
        for row in read_rows(RESULTS / "stock_int8.csv")
    ]


def compression():
    """What zeros and shared values in the pointwise kernels would save."""
    return [
        {
            "file": row["file"],
            "top-1 %": row["top1"],
            "KB": kilobytes(row["bytes"]),
            "KB, gzip": kilobytes(row["gzip_bytes"]),
            "ms": milliseconds(row["ms_1_thread"]),
        }
        for row in read_rows(RESULTS / "compression.csv")
    ]


def latency():
    """Rows for one thread: the stock file, ours, and their ratio."""
    rows = rows_with(read_rows(RESULTS / "latency.csv"), {"threads": 1})
    return [
        {
            "network": row["network"],
            "format": row["format"],
            "stock, ms": milliseconds(stock),
            "ours, ms": milliseconds(row["median_ms"]),
            "speed-up": row["times_as_fast_as_stock"],
            "speed-up over PyTorch": row["times_as_fast_as_pytorch"],
        }
        for row, stock in beside_stock(rows, "median_ms")
    ]


def full_size():
    """Rows for the files of the released networks."""
    return [
        {
            "network": row["network"],
            "format": row["format"],
            "ms": milliseconds(row["median_ms"]),
            "MB": round(int(row["bytes"]) / 1e6, 1),
            "export's peak memory, MB": int(row["export_peak_mb"]),
        }
        for row in read_rows(RESULTS / "full_size.csv")
        if row["implementation"] == "ours"
    ]


def arm64():
    """A row for each network and format: the stock file, ours, their ratio."""
    rows = read_rows(RESULTS / "arm64.csv")
    return [
        {
            "network": row["network"],
            "format": row["format"],
            "stock, million": millions(stock),
            "ours, million": millions(row["instructions"]),
            "reduction": row["times_fewer_than_stock"],
            "ours, KB": kilobytes(row["bytes"]),
        }
        for row, stock in beside_stock(rows, "instructions")
    ]


def onnx():
    """Rows for the float32 files: that for LiteRT, that for ONNX Runtime."""
    times = {
        (row["network"], row["implementation"]): row["median_ms"]
        for row in read_rows(RESULTS / "onnx.csv")
    }
    networks = [
        name for name, implementation in times if implementation == "onnx"
    ]
    return [
        {
            "network": name,
            "LiteRT, ms": milliseconds(times[name, "ours"]),
            "ONNX Runtime, ms": milliseconds(times[name, "onnx"]),
            "speed-up": round(
                float(times[name, "ours"]) / float(times[name, "onnx"]), 2
            ),
        }
        for name in networks
    ]


def alternatives():
    """ConvMixer and networks of Keras after equal time: a row for each."""
    return [
        {
            "images": row["data"],
            "minutes": row["minutes"],
            "network": row["network"],
            "step, ms": milliseconds(row["step_ms"]),
            "epochs": row["epochs"],
            "top-1 %": row["top1"],
            "int8 top-1 %": row["int8_top1"],
        }
        for row in read_rows(RESULTS / "alternatives.csv")
    ]


def alternatives_files():
    """The files of those networks, as trained on the first data set."""
    rows = read_rows(RESULTS / "alternatives.csv")
    rows = rows_with(rows, {"data": rows[0]["data"]})
    return [
        {
            "network": row["network"],
            "parameters": int(row["parameters"]),
            "float32, KB": kilobytes(row["float32_bytes"]),
            "int8, KB": kilobytes(row["int8_bytes"]),
            "float32, ms": milliseconds(row["float32_ms"]),
            "int8, ms": milliseconds(row["int8_ms"]),
            "int8 time, relative": round(
                float(row["int8_ms"]) / float(rows[0]["int8_ms"]), 2
            ),
            "float32, million instructions": millions(
                row["float32_arm_instructions"]
            ),
            "int8, million instructions": millions(
                row["int8_arm_instructions"]
            ),
            "on GPUs": row["gpu"],
        }
        for row in rows
    ]


def beside_stock(rows, column):
    """Our rows, each with that column of the stock file it is compared with."""
    stock = {
        (row["network"], row["format"]): row[column]
        for row in rows_with(rows, {"implementation": "stock"})
    }
    return [
        (row, stock[row["network"], stock_format(row["format"])])
        for row in rows_with(rows, {"implementation": "ours"})
    ]


def milliseconds(text):
    """Two digits, or whole milliseconds; None for nothing."""
    if not text:
        return None
    value = float(text)
    return f"{value:.0f}" if value >= 9.95 else f"{value:#.2g}"


def millions(text):
    return f"{int(text) / 1e6:.1f}" if text else None


def kilobytes(text):
    return f"{int(text) / 1000:,.0f}" if text else None
