"""Training: its speed, its images, and what it reaches."""

import re
from statistics import fmean

from benchmarks import trainings
from benchmarks.measure import RESULTS, read_rows


def speed():
    """A row for every network: images a second of each implementation."""
    networks = {}
    for row in read_rows(RESULTS / "training.csv"):
        name = row["network"]
        rates = networks.setdefault(name, {"network": name})
        rates[row["implementation"]] = row["images_a_second"]
    return list(networks.values())


def pipeline():
    """Images a second of the input pipeline, by the number of cores."""
    rates = {}
    for row in read_rows(RESULTS / "pipeline.csv"):
        key = tuple(
            row[name]
            for name in ("recipe", "image_size", "pictures", "augmentation")
        )
        cores = f"cores: {row['cores']}"
        rates.setdefault(key, {})[cores] = int(row["images_a_second"])
    names = "recipe", "pixels", "images", "augmentation"
    return [
        dict(zip(names, key, strict=True)) | by_cores
        for key, by_cores in rates.items()
    ]


def augmentation():
    """Mean and deviation over images of what is measured of each."""
    return [
        {
            "pixels": row["image_size"],
            "measure": f"{row['measure']}, {row['over_images']}",
            "timm": row["timm"],
            "ours": row["ours"],
            "difference, %": row["difference_percent"],
        }
        for row in read_rows(RESULTS / "augmentation.csv")
    ]


def rehearsal():
    """Speed, memory and time of each stage of ImageNet's rehearsal."""
    return [
        {
            "stage": row["stage"],
            "images": f"{int(row['pictures']):,}",
            "images/s": f"{int(row['images_a_second']):,}",
            "peak memory, MB": f"{int(row['peak_mb']):,}",
            "minutes": row["minutes"],
            "CPU minutes": row["processor_minutes"],
        }
        for row in read_rows(RESULTS / "rehearsal.csv")
    ]


def ways():
    """What ways to train reach, with photographs."""
    return trainings.summary(read_rows(RESULTS / "trainings.csv"))


def fine_tuning():
    """What starting from the shipped weights gains, at equal steps."""
    table = []
    for row in trainings.summary(read_rows(RESULTS / "fine_tuning.csv")):
        options = row.pop("options")
        start = {
            "data": row["data"],
            "initial weights": option(options, "--weights") or "random",
            "rate": option(options, "--learning-rate"),
        }
        table.append(start | row)
    return table


def resizing():
    """Accuracy for each way to resize photos, with and without the option.

    Mean over the seeds, and from the lowest to the highest.
    """
    groups = {}
    for row in read_rows(RESULTS / "resizing.csv"):
        key = row["aliased_resize"], row["resize"]
        groups.setdefault(key, []).append(row)
    return [
        {
            "--aliased-resize": share,
            "photos resized as in": resize,
            "top-1 %": mean_and_range(rows, "top1"),
            "another class %": mean_and_range(rows, "other_class_percent"),
        }
        for (share, resize), rows in groups.items()
    ]


def resizing_cost():
    """What `--aliased-resize` costs: CPU time per image, and memory."""
    return [
        {
            "--aliased-resize": row["aliased_resize"],
            "decoded every epoch, ms": row["cpu_ms"],
            "decoded once, ms": row["cpu_ms_cached"],
            "decoded images, MB": row["decoded_mb"],
        }
        for row in read_rows(RESULTS / "resizing_cost.csv")
    ]


def mean_and_range(rows, name):
    """Of a column, as "61.7 (60.5 to 62.3)"."""
    values = [float(row[name]) for row in rows]
    return f"{fmean(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def option(options, name):
    """The value of one of a way's options, or None."""
    found = re.search(rf"{name} (\S+)", options)
    return found and found[1]
