"""What the rows of the study say: the mean and the range over the seeds."""

import statistics

GROUP = ("question", "network", "change", "epochs", "learning_rate")


def summary(rows):
    """A row for each network of each question.

    Args:
        rows: Dicts of the CSV.

    Returns:
        Dicts for `markdown_table`; accuracies in per cent, of the last epoch
        on the held-out images.
    """
    return [
        {
            "question": question,
            "network": f"{network}, {change}" if change else network,
            "epochs": epochs,
            "rate": rate,
            "parameters": f"{int(found[0]['parameters']):,}",
            "million multiply-adds": (
                f"{int(found[0]['multiply_adds']) / 1e6:.1f}"
            ),
            "seeds": len(found),
            "top-1 %": f"{mean(found):.2f}",
            "lowest, highest": "{:.2f}, {:.2f}".format(*extremes(found)),
        }
        for (question, network, change, epochs, rate), found in groups(
            rows
        ).items()
    ]


def groups(rows):
    """The rows of each network of each question, by the names in `GROUP`."""
    found = {}
    for row in rows:
        key = tuple(str(row[name]) for name in GROUP)
        found.setdefault(key, []).append(row)
    return found


def mean(rows):
    return statistics.fmean(float(row["top1"]) for row in rows)


def extremes(rows):
    """The lowest and the highest accuracy."""
    accuracies = [float(row["top1"]) for row in rows]
    return min(accuracies), max(accuracies)
