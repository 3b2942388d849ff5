"""`python -m export.demo RUN`: a web app that runs the exported files."""

import contextlib
import hashlib
import json
import shutil
from pathlib import Path
from urllib.parse import quote

from keras_convmixer.utils.checks import UserError, integers
from keras_convmixer.utils.commands import (
    Parser,
    number,
    one_line_errors,
    quiet_tensorflow,
)
from keras_convmixer.utils.files import replacing, write_json

from .demo_server import LOCAL, say_where, serve

PAGE = Path(__file__).with_name("page")
MEDIAPIPE = "@mediapipe/tasks-vision"
LITERT = "@litertjs/core"
LITERT_UTILS = "@litertjs/wasm-utils"
# The build that every browser with WebGPU loads.
LITERT_BUILD = "litert_wasm_compat_internal"
PAGE_FILES = (
    *("index.html", "style.css", "app.js", "classifiers.js", "camera.js"),
    *("square.js", "view.js", "offline.js", "manifest.webmanifest", "icon.svg"),
)
# Of MediaPipe's builds, the one that browsers of today load.
NOT_KEPT = ("vision_wasm_nosimd", "vision_wasm_module")
LIST = "files.json"  # Of the exported files, for the page.
# What a folder of the demo holds besides the exported files.
WRITTEN = {*PAGE_FILES, LIST, "kept.js", "vendor"}


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m export.demo",
        description="Writes RUN/demo/, a web app with the run's exported "
        "files, and serves it.",
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="folder of an exported run")
    add(
        "--port",
        type=number(integers(0, 65535)),
        default=8000,
        help="0 for any that is free (default: %(default)s)",
    )
    add(
        "--host",
        default=LOCAL,
        help="address to serve on; 0.0.0.0 for phones in the same network "
        "(default: %(default)s, this machine only)",
    )
    add(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write the app to a new folder, for any static host, and serve "
        "nothing",
    )
    return parser.parse_args(arguments)


@one_line_errors()
def main(arguments=None):
    args = parse_arguments(arguments)
    quiet_tensorflow("tensorflow")
    from keras_convmixer.runs.run_folder import RunFolder

    run = RunFolder(args.run)
    if args.output:
        if args.output.exists():
            raise UserError(
                f"--output must be a new folder. {args.output} exists"
            )
        write_demo(run, args.output)
        print(f"{args.output}: upload it to a static host with HTTPS")
        return
    folder = run.path / "demo"
    check_own(folder)
    # Before anything is written: the address may be in use.
    with serve(folder, args.host, args.port) as server:
        write_demo(run, folder)
        say_where(args.host, server.server_port)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def check_own(folder):
    """A `UserError` if a folder has what this program did not write there."""
    if not folder.exists():
        return
    written = folder / LIST
    listed = written.read_text(encoding="utf-8") if written.is_file() else ""
    others = [
        path.name
        for path in folder.iterdir()
        if not listed
        or (path.name not in WRITTEN and json.dumps(path.name) not in listed)
    ]
    if others:
        raise UserError(
            f"{folder} would be replaced, and it has {min(others)}, which is "
            "not of the demo: move or rename that folder"
        )


def write_demo(run, folder):
    """Writes the app with all that it needs.

    Args:
        run: A `RunFolder` with an `export` folder.
        folder: Where to; what was there is replaced.

    Raises:
        UserError: If the run is not exported, or the page's packages are not
            installed.
    """
    models = exported_models(run)
    if not models:
        raise UserError(
            f"{run.path} is not exported: it has no report of a .tflite file"
        )
    packages = find_packages()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with replacing(folder) as folder:
        folder.mkdir()
        for name in PAGE_FILES:
            shutil.copy(PAGE / name, folder)
        copy_libraries(packages, folder / "vendor")
        for model in models:
            shutil.copy(run.export_folder / model["file"], folder)
        write_json(folder / LIST, models)
        write_kept(folder)


def write_kept(folder):
    """Writes `kept.js`: what the app keeps for use without a network.

    Its version is a digest of the contents: a browser that has another one
    fetches everything anew.
    """
    digest, kept = hashlib.sha256(), ["./"]
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if not path.name.startswith(NOT_KEPT):
            digest.update(path.read_bytes())
            # As an address: "#", "%" and "?" in a name would end it.
            kept.append(quote(path.relative_to(folder).as_posix()))
    (folder / "kept.js").write_text(
        f'const VERSION = "{digest.hexdigest()}";\n'
        f"const KEPT = {json.dumps(kept)};\n"
    )


def copy_libraries(packages, vendor):
    """Copies what the page loads of MediaPipe and LiteRT.js to a folder."""
    mediapipe = packages / MEDIAPIPE
    shutil.copytree(mediapipe / "wasm", vendor / "wasm")
    # Some servers, nginx among them, have no MIME type for .mjs.
    shutil.copy(mediapipe / "vision_bundle.mjs", vendor / "vision_bundle.js")
    core, litert = packages / LITERT, vendor / "litert"
    litert.mkdir()
    for suffix in (".js", ".wasm"):
        shutil.copy(core / "wasm" / f"{LITERT_BUILD}{suffix}", litert)
    utils = packages / LITERT_UTILS / "dist" / "index.js"
    shutil.copy(utils, litert / "wasm_utils.js")
    # Browsers find modules by their path, not by their package.
    code = (core / "dist" / "index.js").read_text(encoding="utf-8")
    code = code.replace(f'"{LITERT_UTILS}"', '"./wasm_utils.js"')
    (litert / "litert.js").write_text(code, encoding="utf-8")


def find_packages():
    """The `node_modules` folder with the page's packages.

    It is looked for in the page's folder, where `npm ci` puts it in a
    checkout; in that of a checkout which is the current folder, since an
    installed package is no place to install into; and in the current folder.

    Raises:
        UserError: If none has all of them.
    """
    needed = json.loads((PAGE / "package.json").read_text())["dependencies"]
    for folder in (PAGE, Path.cwd() / "export" / "page", Path.cwd()):
        packages = folder / "node_modules"
        if all((packages / name).is_dir() for name in needed):
            return packages
    names = " ".join(f"{name}@{version}" for name, version in needed.items())
    raise UserError(
        f"the page needs {' and '.join(needed)}: run `npm install --no-save "
        f"--prefix . {names}` in this folder"
    )


def exported_models(run):
    """What the page has to know of each file, in the order of the report.

    A file that the report does not list is unfinished.
    """
    from keras_convmixer.evaluation.metadata_schema import (
        read_labels,
        read_threshold,
    )
    from keras_convmixer.evaluation.runtime import TFLiteFile

    from .formats import IO, TABLE, TFLITE
    from .report import REPORT

    report = run.export_folder / REPORT
    if not report.is_file():
        return []
    models = []
    for row in json.loads(report.read_text(encoding="utf-8"))["files"]:
        path = run.export_folder / row["file"]
        # No library here takes int8 pixels. Reports of 0.1.0 have no such
        # files.
        if path.suffix != TFLITE or row.get("io", IO[0]) != IO[0]:
            continue
        if not path.is_file():
            print(f"{path} is left out: it is in the report, but not there")
            continue
        models.append(
            {
                "file": path.name,
                "kilobytes": round(path.stat().st_size / 1000),
                "size": TFLiteFile(path).image_size[0],
                "labels": read_labels(path),
                "threshold": read_threshold(path),
                "delegate": "GPU"
                if TABLE[row["format"]].takes_float
                else "CPU",
            }
        )
    return models


if __name__ == "__main__":
    main()
