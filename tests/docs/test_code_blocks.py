"""Every block of code in README and docs is run, or says why it is not.

- Python: all blocks of a page are run, one after the other in one process, in
  a folder with some photographs, with the packages laid out as pip installs
  them.
- Shell: see `test_shell_blocks.py`.
- Kotlin and Swift need a phone's SDK; the JavaScript is what the demo page
  does, which has a test of its own. BibTeX is no code.

A block that can't be run stands under `<!-- not run: the reason -->`.
"""

import pytest

from tests.docs.code_blocks import BLOCKS, blocks_of, write_photographs
from tests.docs.installed import lay_out_installed, run_installed

NOT_CODE = ("kotlin", "swift", "js", "bibtex")
PYTHON_PAGES = sorted(
    {b.page for b in BLOCKS if b.language == "python" and b.runs}
)


def test_every_block_has_a_language_that_is_run_or_exempt():
    for block in BLOCKS:
        known = ("python", "sh", *NOT_CODE)
        assert block.language in known, block.place


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return lay_out_installed(tmp_path_factory.mktemp("site"))


@pytest.mark.slow
@pytest.mark.parametrize("page", PYTHON_PAGES, ids=lambda page: page.name)
def test_python_runs(page, site, tmp_path):
    write_photographs(tmp_path)
    # What a page says of a photograph that the reader has.
    program = ["import keras", "photo = keras.utils.load_img('photo.jpg')"]
    program.append("photo = keras.utils.img_to_array(photo)")
    for block in blocks_of(page):
        if block.language == "python" and block.runs:
            # So that a traceback names the line of the page.
            code = "\n" * (block.line - 1) + block.code
            program.append(f"exec(compile({code!r}, {page.name!r}, 'exec'))")
    script = tmp_path / "page.py"
    script.write_text("\n".join(program))
    run_installed(site, script, cwd=tmp_path)


def test_a_block_is_left_out_for_a_reason_only(tmp_path):
    page = tmp_path / "page.md"
    block = "```python\n1 / 0\n```\n"
    page.write_text(
        f"<!-- not run: -->\n{block}<!-- not run: no hub -->\n{block}"
    )
    assert [block.runs for block in blocks_of(page)] == [True, False]
