"""The README's tables are what their commands print."""

import pytest
from conftest import ROOT

from benchmarks.tables import accuracy_table, latency_table
from keras_convmixer import list_variants
from keras_convmixer.tables import markdown_table


@pytest.mark.parametrize("rows", [list_variants, accuracy_table, latency_table])
def test_readme_holds_the_table(rows):
    assert markdown_table(rows()) in (ROOT / "README.md").read_text()
