"""`python -m export.demo RUN`: a web page that runs the exported files."""

import functools
import http.server
import json
import shutil
from pathlib import Path

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import (
    Parser,
    integer_from,
    one_line_errors,
    quiet_tensorflow,
)
from keras_convmixer.utils.files import replacing, write_json

PAGE = Path(__file__).with_name("page")
PACKAGE = "@mediapipe/tasks-vision"
PAGE_FILES = ("index.html", "style.css", "app.js")


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m export.demo",
        description="Writes RUN/demo/, a web page beside the run's exported "
        "files, and serves it on this machine.",
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="folder of an exported run")
    add(
        "--port",
        type=integer_from(0, 65535),
        default=8000,
        help="0 for any that is free",
    )
    return parser.parse_args(arguments)


@one_line_errors()
def main(arguments=None):
    args = parse_arguments(arguments)
    quiet_tensorflow("tensorflow")
    from keras_convmixer.runs.run_folder import RunFolder

    folder = write_demo(RunFolder(args.run))
    server = serve(folder, args.port)
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def write_demo(run):
    """Writes the page with all that it needs; returns its folder.

    Args:
        run: A `RunFolder` with an `export` folder.

    Raises:
        UserError: If the run is not exported, or the page's package is not
            installed.
    """
    models = exported_models(run)
    if not models:
        raise UserError(
            f"{run.path} is not exported: it has no report of a .tflite file"
        )
    package = find_package()
    with replacing(run.path / "demo") as folder:
        folder.mkdir()
        for name in PAGE_FILES:
            shutil.copy(PAGE / name, folder)
        vendor = folder / "vendor"
        shutil.copytree(package / "wasm", vendor / "wasm")
        shutil.copy(package / "vision_bundle.mjs", vendor)
        for model in models:
            shutil.copy(run.export_folder / model["file"], folder)
        write_json(folder / "files.json", models)
    return run.path / "demo"


def find_package():
    """The folder of MediaPipe's package for the web.

    It is looked for in the page's folder, where `npm ci` puts it in a
    checkout, and in the current one: an installed package is no place to
    install into.

    Raises:
        UserError: If it is in neither.
    """
    for folder in (PAGE, Path.cwd()):
        package = folder / "node_modules" / PACKAGE
        if package.is_dir():
            return package
    needed = json.loads((PAGE / "package.json").read_text())["dependencies"]
    raise UserError(
        f"the page needs {PACKAGE}: run `npm install --no-save --prefix . "
        f"{PACKAGE}@{needed[PACKAGE]}` in this folder"
    )


def exported_models(run):
    """What the page has to know of each file, in the order of the report.

    A file that the report does not list is unfinished.
    """
    from keras_convmixer.evaluation.runtime import TFLiteFile

    from .formats import TABLE
    from .report import REPORT

    report = run.export_folder / REPORT
    if not report.is_file():
        return []
    models = []
    for row in json.loads(report.read_text(encoding="utf-8"))["files"]:
        path = run.export_folder / row["file"]
        # Not those that take int8, of which the page knows nothing.
        if path.name.endswith(f"_{row['format']}.tflite"):
            models.append(
                {
                    "file": path.name,
                    "kilobytes": round(path.stat().st_size / 1000),
                    "size": TFLiteFile(path).image_size[0],
                    "delegate": "GPU"
                    if TABLE[row["format"]].takes_float
                    else "CPU",
                }
            )
    return models


def serve(folder, port):
    """A server for a folder, for this machine only."""
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=folder
    )
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)


if __name__ == "__main__":
    main()
