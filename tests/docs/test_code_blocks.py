"""Every block of code in README and docs is run, or says why it is not.

- Python: all blocks of a page are run, one after the other in one process, in
  a folder with some photographs, with the packages laid out as pip installs
  them.
- Shell: every command line is taken by the parser of its program, the files,
  folders and tests that it names are there, and the programs of `EXECUTED` are
  called. The others take minutes: `train`, `export` and `demo` are run by the
  tests of training and export.
- Kotlin and Swift need a phone's SDK; the JavaScript is what the demo page
  does, which has a test of its own. BibTeX is no code.

A block that can't be run stands under `<!-- not run: the reason -->`.
"""

import importlib
import re
import shlex
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from benchmarks.tables.__main__ import main as print_tables
from export import classify
from keras_convmixer.command_line import convmixer, list_networks
from keras_convmixer.utils.commands import Parser
from tests.docs.installed import lay_out_installed, run_installed
from tests.processes import ROOT

PAGES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
    *sorted((ROOT / "docs").glob("*.md")),
]
NOT_CODE = ("kotlin", "swift", "js", "bibtex")
EXECUTED = {
    "keras_convmixer.command_line.list_networks": list_networks.main,
    "export.classify": classify.main,
    "benchmarks.tables": lambda arguments: print_tables(),
}
NOT_RUN = re.compile(r"<!-- not run: \S.* -->")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        page: The file that it is in.
        line: Of its first line of code, from 1.
        language: After the fence.
        code: Its lines.
        runs: False where a comment says why it does not.
    """

    page: Path
    line: int
    language: str
    code: str
    runs: bool

    @property
    def place(self):
        return f"{self.page.name}:{self.line}"


def blocks_of(page):
    lines = page.read_text().splitlines()
    found, start = [], None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
            continue
        before = lines[start - 1] if start else ""
        found.append(
            Block(
                page=page,
                line=start + 2,
                language=lines[start][3:].strip(),
                code="\n".join(lines[start + 1 : number]),
                runs=not NOT_RUN.fullmatch(before),
            )
        )
        start = None
    assert start is None, f"{page.name}: a block has no end"
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
SHELL = [block for block in BLOCKS if block.language == "sh" and block.runs]
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


def write_photographs(folder):
    """`photos/CLASS/*.jpg` and `photo.jpg`, from scikit-learn's pictures."""
    for name, left, top in (("china", 100, 90), ("flower", 190, 120)):
        photograph = Image.fromarray(load_sample_image(f"{name}.jpg"))
        (folder / "photos" / name).mkdir(parents=True)
        for index in range(100):
            x, y = left + index % 10 * 18, top + index // 10 * 16
            square = photograph.crop((x, y, x + 48, y + 48))
            square.save(folder / "photos" / name / f"{index}.jpg")
    photograph.save(folder / "photo.jpg")


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


def commands_of(code):
    """The command lines of a block, as lists of words."""
    code = code.replace("\\\n", " ")
    for line in code.splitlines():
        words = shlex.split(line, comments=True)
        command = []
        for word in [*words, "&&"]:
            if word != "&&":
                command.append(word)
            elif command:
                yield command
                command = []


@pytest.fixture
def here(digits_export, tmp_path, monkeypatch):
    """The folder of a reader who has trained and exported two networks."""
    write_photographs(tmp_path)
    shutil.copytree(digits_export.parent, tmp_path / "runs" / "digits")
    (tmp_path / "runs" / "photos" / "export").mkdir(parents=True)
    shutil.copy(
        digits_export / "digits_int8.tflite",
        tmp_path / "runs" / "photos" / "export" / "photos_int8.tflite",
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.place)
def test_shell_commands_are_taken(block, here, monkeypatch, capsys):
    for command in commands_of(block.code):
        module, arguments = program_of(command)
        if module in EXECUTED:
            assert not exit_status(EXECUTED[module], arguments)
            assert capsys.readouterr().out
        elif module:
            take(module, arguments, monkeypatch)


def exit_status(main, arguments):
    try:
        main(arguments)
    except SystemExit as end:
        return end.code
    return 0


class ParsedError(Exception):
    """Raised in place of what a program does after it took its arguments."""


def take(module, arguments, monkeypatch):
    """Asserts that a program takes its arguments."""
    program = importlib.import_module(module)
    if hasattr(program, "parse_arguments"):
        # Some options print and end.
        assert not exit_status(program.parse_arguments, arguments)
        return
    parse = Parser.parse_args

    def parse_and_stop(*arguments):
        parse(*arguments)
        raise ParsedError

    with monkeypatch.context() as patch:
        patch.setattr(Parser, "parse_args", parse_and_stop)
        with pytest.raises(ParsedError):
            program.main(arguments)


@pytest.mark.parametrize(
    "line",
    [
        "convmixer trian",
        "convmixer train --epoch 3",
        "convmixer list --all",
        "python -m export runs/digits --epochs 3",
        "python -m benchmarks.training 256/8/k5/p2@32 --replica 2",
        "python -m pytest tests/no_such_test.py",
        "pip install '.[exports]'",
        "pip install -r no_such_file.txt",
        "npm ci --prefix no_such_folder",
        "no_such_program",
    ],
)
def test_a_command_that_does_not_exist_is_found_out(line, monkeypatch):
    (command,) = commands_of(line)
    with pytest.raises((AssertionError, KeyError, SystemExit)):
        take(*program_of(command), monkeypatch)


def test_a_block_is_left_out_for_a_reason_only(tmp_path):
    page = tmp_path / "page.md"
    block = "```python\n1 / 0\n```\n"
    page.write_text(
        f"<!-- not run: -->\n{block}<!-- not run: no hub -->\n{block}"
    )
    assert [block.runs for block in blocks_of(page)] == [True, False]


def program_of(command):
    """What a command line calls.

    Returns:
        `(module, arguments)`: one of ours, or None for a program of others,
        whose files have been looked up.

    Raises:
        AssertionError: If there is no such program, file or extra.
    """
    while re.fullmatch(r"[A-Z_]+=\S+", command[0]):
        command = command[1:]
    name, *arguments = command
    name = Path(name).name
    if name.startswith("python"):
        if arguments[0] == "train.py":
            return convmixer.PROGRAMS["train"].module, arguments[1:]
        flag, module, *arguments = arguments
        assert flag == "-m", command
        if module in ("export", "benchmarks.gpu", "benchmarks.study"):
            return f"{module}.__main__", arguments
        if module.split(".")[0] in ("export", "benchmarks", "tools", "tests"):
            return module, arguments
        check_python_module(module, arguments)
        return None, arguments
    if name == "convmixer":
        program = convmixer.PROGRAMS[arguments[0]]
        package = "export" * program.module.startswith(".")
        return package + program.module, arguments[1:]
    if name == "pip":
        check_pip(arguments)
    elif name == "npm":
        assert arguments[:2] == ["ci", "--prefix"], command
        assert (ROOT / arguments[2] / "package-lock.json").exists(), command
    elif name == "pre-commit":
        assert (ROOT / ".pre-commit-config.yaml").exists()
    else:
        scripts = ([".", ".venv/bin/activate"], [".ci/run"], [".ci/oldest"])
        assert command in scripts, command
    return None, arguments


def check_python_module(module, arguments):
    """`python -m venv FOLDER` and `python -m pytest TEST...`."""
    assert module in ("venv", "pytest"), module
    for argument in arguments if module == "pytest" else ():
        file, *tests = argument.split("::")
        if file.startswith("tests/"):
            assert (ROOT / file).exists(), file
            for test in tests:
                assert f"def {test}(" in (ROOT / file).read_text(), test


def check_pip(arguments):
    """`pip install .` with extras that exist, `-r` and a file, or JAX."""
    what, *rest = arguments
    assert what == "install", arguments
    if rest[0] == "-r":
        assert (ROOT / rest[1]).exists(), rest
        return
    if rest[0].startswith("jax[cuda12]"):  # Has its own CUDA libraries.
        return
    extras = re.fullmatch(r"\.(?:\[([\w,]+)\])?", rest[0])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    known = project["tool"]["setuptools"]["dynamic"]["optional-dependencies"]
    for extra in filter(None, (extras[1] or "").split(",")):
        assert extra in known, extra
