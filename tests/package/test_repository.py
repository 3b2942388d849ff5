"""What the repository says of itself in several places agrees."""

import re

from packaging.requirements import Requirement
from packaging.version import Version

from keras_convmixer import __version__
from tests.processes import ROOT
from tools.release import release_notes


def requirements(path):
    """The requirements of a file, without those that it includes."""
    lines = (line.partition("  #")[0] for line in path.read_text().split("\n"))
    return [Requirement(s) for s in lines if s and not s.startswith(("#", "-"))]


def test_the_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {__version__}\n" in citation
    assert release_notes(__version__)


def lowest(requirement):
    """The lowest version that its range allows."""
    (version,) = (
        each.version for each in requirement.specifier if each.operator == ">="
    )
    return Version(version)


def test_each_range_is_stated_once_and_its_lowest_release_is_tested():
    folder = ROOT / "requirements"
    files = sorted({*folder.glob("*.txt")} - {folder / "oldest.txt"})
    stated = [
        each
        for file in files
        for each in requirements(file)
        if file.name != "cuda.txt"  # The extra has base.txt's range.
    ]
    ranges = {each.name: lowest(each) for each in stated}
    assert len(stated) == len(ranges) > 15
    oldest = requirements(folder / "oldest.txt")
    pins = {
        each.name: Version(str(each.specifier).removeprefix("=="))
        for each in oldest
    }
    assert ranges.items() <= pins.items()
    everything = (ROOT / "requirements.txt").read_text()
    assert not requirements(ROOT / "requirements.txt")
    assert set(re.findall("^-r requirements/(.+)$", everything, re.M)) == {
        file.name for file in files
    } - {"heic.txt", "cuda.txt"}  # A library under the GPL, and gigabytes.
    assert [
        str(each) for each in requirements(ROOT / "requirements/cuda.txt")
    ] == ["tensorflow[and-cuda]"]
