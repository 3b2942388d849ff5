"""The documentation site: its pages, the API reference and its hooks.

`.ci/run` builds the site; here are the rules that the build does not check.
"""

import re

import pytest
import yaml
from packaging.requirements import Requirement

import keras_convmixer
from keras_convmixer.command_line.convmixer import PROGRAMS
from keras_convmixer.data import __all__ as data_names
from keras_convmixer.training import RECIPES
from tests.processes import ROOT
from tools import site_hooks

DOCS = ROOT / "docs"


def pages_in(nav):
    """The pages of a part of `nav`."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in pages_in(part)]


def test_every_page_is_in_the_navigation_once():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert sorted(pages_in(nav)) == sorted(
        page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")
    )


def test_the_reference_has_every_public_name():
    page = (DOCS / "api.md").read_text()
    paths = re.findall(r"^::: ([\w.]+)$", page, re.MULTILINE)
    assert len(paths) == len(set(paths))
    names = {path.rpartition(".")[2] for path in paths}
    assert not set(keras_convmixer.__all__) - names
    assert not set(data_names) - names - {"Source"}


def test_the_quick_start_has_the_code_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    fence = re.compile(r"^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    blocks = fence.findall((DOCS / "index.md").read_text())
    assert len(blocks) == 3
    for line in "".join(blocks).splitlines():
        assert line in readme


def test_the_page_of_versions_has_the_ranges_of_the_requirements():
    text = (DOCS / "compatibility.md").read_text()
    files = [
        *(ROOT / "requirements").glob("*.txt"),
        ROOT / "requirements-dev.txt",
    ]
    ranges = {
        str(Requirement(line.partition("  #")[0]))
        for file in files
        for line in file.read_text().splitlines()
        if line and not line.startswith(("#", "-"))
    }
    stated = re.findall(r"`([\w-]+[<>]=[^`]+)`", text)
    assert len(stated) > 8
    for requirement in stated:
        assert str(Requirement(requirement)) in ranges
    project = (ROOT / "pyproject.toml").read_text()
    versions = re.findall(r"Python :: (3\.\d+)", project)
    assert f"| Python | {', '.join(versions)} |" in text


@pytest.fixture
def root(tmp_path):
    """A repository with files outside its docs."""
    for path in ("README.md", "docs/gpu.md", "examples/a.sh", "cards/c.md"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "cards" / "plot.png").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("page", "link", "rewritten", "copied"),
    [
        ("a.md", "[x](../examples/a.sh)", "[x](source/examples/a.sh)", True),
        (
            "a.md",
            "![x](../cards/plot.png)",
            "![x](source/cards/plot.png)",
            True,
        ),
        ("a.md", "[two\nlines](../cards/c.md#t)", None, True),
        ("a.md", "[sample](../examples)", "`examples`", False),
        ("a.md", "[run](../.ci/run)", "`.ci/run`", False),
        ("a.md", "[x](../README.md)", "[x](index.md)", False),
        ("a.md", "[x](gpu.md#xla)", "[x](gpu.md#xla)", False),
        ("a.md", "[x](https://a.b/c.md)", "[x](https://a.b/c.md)", False),
        ("a.md", "[x](../missing.md)", "[x](../missing.md)", False),
        ("source/cards/c.md", "![x](plot.png)", "![x](plot.png)", True),
        (
            "source/cards/c.md",
            "[x](../docs/gpu.md)",
            "[x](../../gpu.md)",
            False,
        ),
    ],
)
def test_links_out_of_the_docs_work_on_the_site(
    page, link, rewritten, copied, root
):
    text = f"See {link}, and `more`."
    rewritten = rewritten or "[two\nlines](source/cards/c.md#t)"
    markdown, paths = site_hooks.rewrite_links(text, page, root)
    assert markdown == f"See {rewritten}, and `more`."
    assert len(paths) == copied
    assert all((root / path).is_file() for path in paths)


def test_the_commands_are_described_by_their_help(monkeypatch):
    monkeypatch.setattr(
        site_hooks, "help_text", lambda *name: f"help of {name}\n"
    )
    text = site_hooks.commands()
    for name in PROGRAMS:
        assert f"## convmixer {name}\n\n```text\nhelp of ('{name}',)\n" in text


def test_a_help_text_names_the_command_as_it_is_installed():
    text = site_hooks.help_text("list")
    assert text.startswith("usage: convmixer list ")


def test_every_recipe_has_its_values_its_comment_and_its_command():
    text = site_hooks.recipes()
    for name, recipe in RECIPES.items():
        section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert re.search(r"\.\n\n```sh\nconvmixer train", section), name
        (row,) = re.findall(r"^\| dim .*$", text, re.MULTILINE)
        assert f" {recipe.dim} " in row
