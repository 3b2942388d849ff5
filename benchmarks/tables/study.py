"""The study of what the paper claims: a table for each question."""

from benchmarks.measure import RESULTS, read_rows
from benchmarks.study.summary import summary


def answers(question):
    """A row for each network of a question: its mean and range over seeds."""
    return [
        {name: value for name, value in row.items() if name != "question"}
        for row in summary(read_rows(RESULTS / "study.csv"))
        if row["question"] == question
    ]


def answered():
    """The questions that there are rows of."""
    rows = read_rows(RESULTS / "study.csv")
    return list(dict.fromkeys(row["question"] for row in rows))


def beside_timm():
    """Our rivals and timm's networks, trained on the same images."""
    return [
        {
            "network": row["network"],
            "rate": row["learning_rate"],
            "seed": row["seed"],
            "parameters": f"{int(row['parameters']):,}",
            "timm's": f"{int(row['parameters_timm']):,}",
            "top-1 %": row["top1"],
            "timm's %": row["top1_timm"],
        }
        for row in read_rows(RESULTS / "study_timm.csv")
    ]
