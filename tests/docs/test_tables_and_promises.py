"""Tables of README and docs are what their commands print; promises have tests.

The commands are `python -m benchmarks.tables` and `convmixer list`.
"""

import json
import re

import pytest

from benchmarks.measure import RESULTS
from benchmarks.tables import TABLES, files, study, training, trust
from benchmarks.tables.__main__ import main as print_tables
from keras_convmixer import list_variants
from keras_convmixer.utils.tables import markdown_table
from tests.processes import ROOT


@pytest.mark.parametrize(
    ("file", "rows"),
    [
        ("README.md", files.highlights),
        ("docs/benchmarks.md", files.leaderboard),
        ("docs/networks.md", list_variants),
        ("docs/training_results.md", training.speed),
        ("docs/training_results.md", training.pipeline),
        ("docs/training_results.md", training.augmentation),
        ("docs/training_results.md", training.rehearsal),
        ("docs/training_results.md", training.ways),
        ("docs/training_results.md", training.fine_tuning),
        ("docs/phone.md", training.resizing),
        ("docs/phone.md", training.resizing_cost),
        ("docs/quantisation.md", files.accuracy),
        ("docs/quantisation.md", files.stock_int8),
        ("docs/quantisation.md", files.compression),
        ("docs/trust.md", trust.calibration),
        ("docs/trust.md", trust.unknown),
        ("docs/trust.md", trust.other_class),
        ("docs/benchmarks.md", files.latency),
        ("docs/benchmarks.md", files.full_size),
        ("docs/benchmarks.md", files.arm64),
        ("docs/benchmarks.md", files.alternatives),
        ("docs/benchmarks.md", files.alternatives_files),
        ("docs/evaluate.md", files.onnx),
        ("docs/study.md", study.beside_timm),
    ],
)
def test_the_page_holds_the_table(file, rows):
    assert markdown_table(rows()) in (ROOT / file).read_text()


@pytest.mark.parametrize("question", study.answered())
def test_the_page_of_the_study_holds_each_answer(question):
    table = markdown_table(study.answers(question))
    assert table in (ROOT / "docs" / "study.md").read_text()


def test_the_page_of_the_evaluation_holds_its_scores():
    report = json.loads((RESULTS / "cifar10_evaluation.json").read_text())
    page = (ROOT / "docs" / "evaluate.md").read_text()
    (row,) = re.findall(r"\| (.*) +\|\n\n!\[", page)
    shares = ("top1", "top5", "mean_recall", "macro_f1", "ece")
    expected = [f"{100 * report[name]:.2f}" for name in shares]
    expected.insert(-1, f"{report['log_loss']:.3f}")
    assert re.split(r" +\| ", row.rstrip()) == expected


def test_the_command_prints_every_table(capsys):
    print_tables()
    printed = capsys.readouterr().out
    for table in TABLES:
        assert markdown_table(table()) in printed


@pytest.mark.parametrize(
    ("given", "shown"),
    [("155.944", "156"), ("9.96", "10"), ("2.975", "3.0"), ("0.081", "0.081")],
)
def test_milliseconds_have_two_digits(given, shown):
    assert files.milliseconds(given) == shown


def test_every_promise_names_a_test_that_exists():
    text = (ROOT / "docs" / "promises.md").read_text()
    tests = re.findall(r"`(tests/\w+/\w+\.py)::(\w+)`", text)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(tests) >= len(rows) - 2 * text.count("\n## ") - 1
    for file, name in tests:
        assert f"\ndef {name}(" in (ROOT / file).read_text(), name


def test_every_link_and_picture_exists():
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            if target.startswith("https://"):
                continue
            path, _, anchor = target.partition("#")
            file = page.parent / path if path else page
            assert file.exists(), f"{page.name}: {target}"
            if anchor:
                assert anchor in anchors(file), f"{page.name}: {target}"


def anchors(page):
    """Of the headings of a page, as GitHub and MkDocs write them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
        for heading in headings
    }
