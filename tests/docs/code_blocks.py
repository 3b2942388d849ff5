"""The blocks of code in README and docs, and what their command lines call."""

import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_sample_image

from keras_convmixer.command_line import convmixer
from tests.processes import ROOT

PAGES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
    *sorted((ROOT / "docs").glob("*.md")),
]
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


PHOTOGRAPHS = {"china": "china", "flower": "flower"}


def write_photographs(folder, classes=PHOTOGRAPHS, count=100):
    """Writes `photos/CLASS/*.jpg` and `photo.jpg`, of scikit-learn's pictures.

    Args:
        folder: Where to.
        classes: The picture that the photos of each class are cut from,
            "china" or "flower".
        count: Photos of each class, 100 at most.
    """
    corners = {"china": (100, 90), "flower": (190, 120)}
    for name, picture in classes.items():
        photograph = Image.fromarray(load_sample_image(f"{picture}.jpg"))
        (folder / "photos" / name).mkdir(parents=True)
        left, top = corners[picture]
        for index in range(count):
            x, y = left + index % 10 * 18, top + index // 10 * 16
            square = photograph.crop((x, y, x + 48, y + 48))
            square.save(folder / "photos" / name / f"{index}.jpg")
    photograph.save(folder / "photo.jpg")


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
        assert list(command) in scripts, command
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
    """`pip install .` with extras that exist, `-r` and a file, or JAX.

    Or `pip wheel .`.
    """
    what, *rest = arguments
    assert what in ("install", "wheel"), arguments
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
