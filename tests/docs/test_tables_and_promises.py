"""The README's tables are what their commands print; promises have tests."""

import re

import pytest

from benchmarks.tables import (
    accuracy_table,
    full_size_table,
    latency_table,
    training_table,
)
from keras_convmixer import list_variants
from keras_convmixer.utils.tables import markdown_table
from tests.helpers import ROOT


@pytest.mark.parametrize(
    "rows",
    [
        list_variants,
        training_table,
        accuracy_table,
        latency_table,
        full_size_table,
    ],
)
def test_readme_holds_the_table(rows):
    assert markdown_table(rows()) in (ROOT / "README.md").read_text()


def test_every_promise_names_a_test_that_exists():
    text = (ROOT / "docs" / "promises.md").read_text()
    tests = re.findall(r"`(tests/\w+/\w+\.py)::(\w+)`", text)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(tests) >= len(rows) - 2 * text.count("\n## ") - 1
    for file, name in tests:
        assert f"\ndef {name}(" in (ROOT / file).read_text(), name
