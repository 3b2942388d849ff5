"""The command `convmixer`, which calls one program of several.

convmixer train --run r
convmixer export r
"""

import argparse
import importlib
import importlib.metadata
import sys
from dataclasses import dataclass

from keras_convmixer import __version__
from keras_convmixer.utils.checks import did_you_mean
from keras_convmixer.utils.commands import Parser, called_as
from keras_convmixer.utils.extras import export_package

PACKAGE = "keras-convmixer"


@dataclass(frozen=True)
class Program:
    """A program that `convmixer` calls.

    Attributes:
        module: Where its `main` is; one of `export` begins with a dot.
        summary: What it does, for the list of programs.
        extra: What it needs beyond the base install, as pip names it.
    """

    module: str
    summary: str
    extra: str | None = None


OURS = "keras_convmixer.command_line"
PROGRAMS = {
    "train": Program(
        f"{OURS}.train", "train a network and write a run folder", "train"
    ),
    "export": Program(
        ".__main__", "turn a run into verified files for devices", "export"
    ),
    "evaluate": Program(
        ".evaluate", "score a model or an exported file on images", "export"
    ),
    "classify": Program(
        ".classify", "name what an exported file sees in images", "export"
    ),
    "benchmark": Program(
        ".benchmark", "time exported files on this machine", "export"
    ),
    "demo": Program(
        ".demo", "serve a web page that runs a run's files", "export"
    ),
    "convert-weights": Program(
        f"{OURS}.convert_weights", "turn a timm checkpoint into a Keras model"
    ),
    "list": Program(f"{OURS}.list_networks", "print the named networks"),
}


def main(arguments=None, prog="convmixer"):
    """Calls the program that the first argument names with all the others.

    Args:
        arguments: A list of strings; those of the process by default.
        prog: How the user called this one.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = make_parser(prog)
    name = arguments[0] if arguments else "--help"
    if name.startswith("-") or not name.strip():
        parser.parse_args([name])
    if name not in PROGRAMS:
        hint = did_you_mean(name, PROGRAMS)
        parser.error(f"unknown command {name!r}.{hint}")
    program = PROGRAMS[name]
    if program.extra and is_missing(program.extra):
        parser.error(
            f"{prog} {name} needs pip install '{PACKAGE}[{program.extra}]'"
        )
    with called_as(f"{prog} {name}"):
        package = export_package() if program.module.startswith(".") else None
        module = importlib.import_module(program.module, package)
        module.main(arguments[1:])


def make_parser(prog):
    width = max(map(len, PROGRAMS))
    listed = "\n".join(
        f"  {name:{width}}  {program.summary}"
        for name, program in PROGRAMS.items()
    )
    parser = Parser(
        prog=prog,
        usage=f"{prog} COMMAND ...",
        description=f"ConvMixer for Keras.\n\ncommands:\n{listed}",
        epilog=f"{prog} COMMAND --help tells the arguments of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"{prog} {__version__}"
    )
    return parser


def is_missing(extra):
    """Whether the package is installed without one of its extras.

    A checkout that is not installed says nothing of what it needs.
    """
    from packaging.requirements import Requirement

    try:
        needed = importlib.metadata.requires(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return False
    for requirement in map(Requirement, needed):
        marker = requirement.marker
        if marker and marker.evaluate({"extra": extra}):
            try:
                importlib.metadata.distribution(requirement.name)
            except importlib.metadata.PackageNotFoundError:
                return True
    return False
