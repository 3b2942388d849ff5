"""Builds a release and checks it; the workflow of that name runs this.

python -m tools.release v1.0.0 dist/

It writes `dist/packages/`, with the sdist and the wheel that is built from it,
and `dist/notes.md`, the changelog's section. Each of the two is installed in
a new environment with the newest releases of what it needs, and used. Install
`requirements-dev.txt` first.
"""

import re
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

from keras_convmixer import __version__
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import Parser, one_line_errors
from tests.package.checks import (
    finds_the_export_and_the_shipped_weights,
    run,
    trains_exports_and_classifies,
)

ROOT = Path(__file__).resolve().parent.parent


def release_notes(version):
    """The section of a version in the changelog, without its heading.

    Raises:
        UserError: There is no section, or it has no date.
    """
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n"
    changelog = (ROOT / "CHANGELOG.md").read_text()
    found = re.search(heading + r"(.+?)(?=^## |\Z)", changelog, re.M | re.S)
    if not found:
        raise UserError(
            f"CHANGELOG.md must have a section [{version}] with its date"
        )
    return found[1].strip() + "\n"


def build(folder):
    """The sdist and the wheel, with metadata that the package index takes.

    Returns:
        Their paths.
    """
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=ROOT)
    files = sorted(folder.iterdir())
    run(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=ROOT)
    return files


def check_installed(file):
    """Installs a file in a new environment and uses it."""
    with tempfile.TemporaryDirectory() as name:
        environment, work = Path(name, "environment"), Path(name, "work")
        venv.create(environment, with_pip=True)
        paths = {"base": environment, "platbase": environment}
        programs = Path(sysconfig.get_path("scripts", "venv", paths))
        work.mkdir()
        pip = (programs / "python", "-m", "pip", "install", "--quiet")
        run(*pip, f"{file}[all]", cwd=work)
        version = run(programs / "convmixer", "--version", cwd=work).stdout
        assert version.split()[-1] == __version__, version
        finds_the_export_and_the_shipped_weights(programs, work)
        trains_exports_and_classifies(programs, work)


def main(arguments=None):
    parser = Parser(
        prog="python -m tools.release",
        description="Builds a release and checks it.",
    )
    parser.add_argument("tag", help="of the release: v and the version")
    parser.add_argument("folder", type=Path, help="new folder for the files")
    args = parser.parse_args(arguments)
    with one_line_errors():
        release(args.tag, args.folder.resolve())


def release(tag, folder):
    """Writes the files and the notes, and checks the files."""
    if tag != f"v{__version__}":
        raise UserError(f"the tag must be v{__version__}. Received: {tag}")
    notes = release_notes(__version__)
    folder.mkdir(parents=True)
    (folder / "notes.md").write_text(notes)
    for file in build(folder / "packages"):
        check_installed(file)
        print(f"{file.name}: installed and used", flush=True)


if __name__ == "__main__":
    main()
