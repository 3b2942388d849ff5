"""What an evaluation found: as values for JSON, and as text."""

import math

from keras_convmixer.data.index import abbreviate
from keras_convmixer.utils.tables import markdown_table

MOST_CLASSES = 50  # Of more the worst are shown.
WORST = 10


def scores_report(classifier, images, labels, indices, result, milliseconds):
    """What `--json` writes, a dict.

    Scores are shares from 0 to 1, the log loss is in nats; None stands for a
    recall without images, and for a precision of a class that was never given.
    Images without classes have no scores.
    """
    report = {
        "file": classifier.path.name,
        "pictures": images.name,
        "classified": result.images,
        "unreadable": result.num_unreadable,
        "milliseconds": milliseconds,
        "images_a_second": round(result.images / result.seconds, 1),
    }
    if not indices:
        return report
    scores = result.scores
    return report | {
        "images": scores.images,
        "top1": scores.top1,
        "top5": scores.top5,
        "mean_recall": scores.mean_recall,
        "macro_f1": scores.macro_f1,
        "log_loss": scores.log_loss,
        "ece": scores.ece,
        "foreign": {
            name: result.foreign[name]
            for name in images.classes
            if name not in indices
        },
        "missing": [name for name in labels if name not in indices],
        "classes": [
            {
                "class": name,
                "precision": None if math.isnan(precision) else precision,
                "recall": None if math.isnan(recall) else recall,
                "support": support,
            }
            for name, precision, recall, support in zip(
                labels,
                scores.precision.tolist(),
                scores.recall.tolist(),
                scores.support.tolist(),
                strict=True,
            )
        ],
    }


def format_report(report):
    """A `scores_report` as lines of text and tables."""
    lines = [
        f"{report['classified']:,} images of {report['pictures']}, "
        f"{report['images_a_second']:,} a second with reading"
    ]
    if report["unreadable"]:
        lines.append(f"left out as broken: {report['unreadable']:,}")
    if "top1" not in report:
        milliseconds = f"{report['milliseconds']:.2f}"
        return "\n".join([*lines, f"milliseconds for one: {milliseconds}"])
    if report["foreign"]:
        count = sum(report["foreign"].values())
        lines.append(
            f"not scored, since {report['file']} does not know their classes: "
            f"{count:,} images of {abbreviate(list(report['foreign']))}"
        )
    if report["missing"]:
        lines.append(f"without images: {abbreviate(report['missing'])}")
    scores = {
        "images": report["images"],
        "top-1 %": percent(report["top1"]),
        "top-5 %": percent(report["top5"]),
        "mean recall %": percent(report["mean_recall"]),
        "macro F1 %": percent(report["macro_f1"]),
        "log loss": f"{report['log_loss']:.3f}",
        "calibration error %": percent(report["ece"]),
        "ms": f"{report['milliseconds']:.2f}",
    }
    tables = (markdown_table([scores]), "", *table_of_classes(report))
    return "\n".join([*lines, *tables])


def table_of_classes(report):
    """Lines: a row for each class that has images, or for the worst."""
    classes = [row for row in report["classes"] if row["support"]]
    heading = []
    if len(classes) > MOST_CLASSES:
        heading = [f"the {WORST} of {len(classes):,} classes of least recall"]
        classes = sorted(classes, key=lambda row: row["recall"])[:WORST]
    rows = [
        {
            "class": row["class"],
            "precision %": percent(row["precision"]),
            "recall %": percent(row["recall"]),
            "support": row["support"],
        }
        for row in classes
    ]
    return [*heading, markdown_table(rows)]


def percent(share):
    return None if share is None else f"{100 * share:.2f}"
