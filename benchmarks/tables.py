"""The README's tables of measurements, from `benchmarks/results/`.

python -m benchmarks.tables
"""

import csv

from benchmarks.measure import RESULTS
from keras_convmixer.utils.tables import markdown_table


def main():
    print(markdown_table(training_table()))
    print(markdown_table(accuracy_table()))
    print(markdown_table(latency_table()))
    print(markdown_table(full_size_table()))


def training_table():
    """A row for every network: images a second of each implementation."""
    networks = {}
    for row in read("training.csv"):
        name = row["network"]
        rates = networks.setdefault(name, {"network": name})
        rates[row["implementation"]] = row["images_a_second"]
    return list(networks.values())


def accuracy_table():
    """Rows for every trained network: Keras, the stock files, ours."""
    return [
        {
            "data": row["data"],
            "file": f"{row['implementation']} {row['format']}",
            "top-1 %": row["top1"],
            "difference": row["difference"],
            "agreement %": row["agreement"] or None,
            "KB": f"{int(row['bytes']) / 1000:,.0f}" if row["bytes"] else None,
            "ms": row["ms_1_thread"] or None,
        }
        for row in read("accuracy.csv")
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
            "stock, ms": stock[row["network"], row["format"]],
            "ours, ms": row["median_ms"],
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
            "ms": row["median_ms"],
            "MB": round(int(row["bytes"]) / 1e6, 1),
            "export's peak memory, MB": row["export_peak_mb"],
        }
        for row in read("full_size.csv")
        if row["implementation"] == "ours"
    ]


def read(name):
    with (RESULTS / name).open(newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
