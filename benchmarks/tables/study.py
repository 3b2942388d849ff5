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
