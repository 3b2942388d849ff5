"""What the repository says of itself in several places agrees."""

import re

from packaging.requirements import Requirement

from keras_convmixer import __version__
from tests.processes import ROOT


def requirements(path):
    """The requirements of a file, without those that it includes."""
    lines = (line.partition("  #")[0] for line in path.read_text().split("\n"))
    return [Requirement(s) for s in lines if s and not s.startswith(("#", "-"))]


def test_the_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {__version__}\n" in citation
    assert f"\n## [{__version__}] - " in (ROOT / "CHANGELOG.md").read_text()


def test_each_range_is_stated_once():
    files = sorted((ROOT / "requirements").glob("*.txt"))
    stated = [
        each.name
        for file in files
        for each in requirements(file)
        if file.name != "cuda.txt"  # The extra has base.txt's range.
    ]
    assert len(stated) == len(set(stated)) > 15
    everything = (ROOT / "requirements.txt").read_text()
    assert not requirements(ROOT / "requirements.txt")
    assert set(re.findall("^-r requirements/(.+)$", everything, re.M)) == {
        file.name for file in files
    } - {"heic.txt", "cuda.txt"}  # A library under the GPL, and gigabytes.
    assert [
        str(each) for each in requirements(ROOT / "requirements/cuda.txt")
    ] == ["tensorflow[and-cuda]"]
