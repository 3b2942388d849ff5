"""`python -m export.demo RUN`: a web app that runs the exported files."""

import functools
import hashlib
import http.server
import json
import shutil
import socket
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
MEDIAPIPE = "@mediapipe/tasks-vision"
LITERT = "@litertjs/core"
LITERT_UTILS = "@litertjs/wasm-utils"
# The build that every browser with WebGPU loads.
LITERT_BUILD = "litert_wasm_compat_internal"
PAGE_FILES = (
    *("index.html", "style.css", "app.js", "classifiers.js", "camera.js"),
    *("square.js", "offline.js", "manifest.webmanifest", "icon.svg"),
)
# Of MediaPipe's builds, the one that browsers of today load.
NOT_KEPT = ("nosimd", "module")
LOCAL = "127.0.0.1"


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
        type=integer_from(0, 65535),
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
    write_demo(run, folder)
    server = serve(folder, args.host, args.port)
    port = server.server_port
    print(f"http://{reachable(args.host)}:{port}/", flush=True)
    if args.host != LOCAL:
        print(
            "Browsers open the camera and install the app only over HTTPS or "
            "from localhost. For an Android phone on a USB cable: `adb reverse "
            f"tcp:{port} tcp:{port}`, then http://localhost:{port}/ on the "
            "phone. For others: --output, and a static host with HTTPS",
            flush=True,
        )
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def reachable(host):
    """An address of this machine that others know it by."""
    if host != "0.0.0.0":
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            # Sends nothing: it only looks up which address it would send from.
            route.connect(("192.0.2.1", 1))
            return route.getsockname()[0]
        except OSError:
            return socket.gethostname()


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
    with replacing(folder) as folder:
        folder.mkdir()
        for name in PAGE_FILES:
            shutil.copy(PAGE / name, folder)
        copy_libraries(packages, folder / "vendor")
        for model in models:
            shutil.copy(run.export_folder / model["file"], folder)
        write_json(folder / "files.json", models)
        write_kept(folder)


def write_kept(folder):
    """Writes `kept.js`: what the app keeps for use without a network.

    Its version is a digest of the contents: a browser that has another one
    fetches everything anew.
    """
    digest, kept = hashlib.sha256(), ["./"]
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if not any(word in path.name for word in NOT_KEPT):
            digest.update(path.read_bytes())
            kept.append(path.relative_to(folder).as_posix())
    (folder / "kept.js").write_text(
        f'const VERSION = "{digest.hexdigest()}";\n'
        f"const KEPT = {json.dumps(kept)};\n"
    )


def copy_libraries(packages, vendor):
    """Copies what the page loads of MediaPipe and LiteRT.js to a folder."""
    mediapipe = packages / MEDIAPIPE
    shutil.copytree(mediapipe / "wasm", vendor / "wasm")
    shutil.copy(mediapipe / "vision_bundle.mjs", vendor)
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
        if path.suffix == TFLITE and row.get("io", IO[0]) == IO[0]:
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


def serve(folder, host, port):
    """A server for a folder."""
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=folder
    )
    return http.server.ThreadingHTTPServer((host, port), handler)


if __name__ == "__main__":
    main()
