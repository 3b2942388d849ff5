"""The README's table of latencies, from `benchmarks/results/`.

python -m benchmarks.tables
"""

import csv
from pathlib import Path

from keras_convmixer.tables import markdown_table

RESULTS = Path(__file__).parent / "results"


def main():
    print(markdown_table(latency_table()))


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


def read(name):
    with (RESULTS / name).open(newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
