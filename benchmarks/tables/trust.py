"""What the probabilities are worth."""

from statistics import fmean

from benchmarks.measure import RESULTS, read_rows
from benchmarks.other_class import OTHER


def calibration():
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
            "expected if calibrated %": percent(row, "ece_by_chance"),
            "measured on": row["of"],
        }
        for row in read_rows(RESULTS / "calibration.csv")
    ]


def unknown():
    """Which share of images is answered, a row for each kind of them."""
    names = ("images", "number")
    return [
        {
            k: v
            for k, v in row.items()
            if k in names or k.startswith("precision")
        }
        for row in read_rows(RESULTS / "unknown.csv")
    ]


def other_class():
    """What gets the name of a class, with and without one of other things.

    Mean over the seeds, and from the least to the most.
    """
    found = {}
    for row in read_rows(RESULTS / "other_class.csv"):
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
