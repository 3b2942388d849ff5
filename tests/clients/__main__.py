"""`python -m tests.clients`: every client, every file, docs/clients.md."""

import argparse
import datetime
import json
import platform
import subprocess
import sys
import venv
from pathlib import Path

from keras_convmixer.utils.tables import markdown_table
from tests.clients.in_client import NETWORKS
from tests.clients.table import BY_HAND, CLIENTS
from tests.processes import ROOT

IMAGES = 100
PAGE = ROOT / "docs" / "clients.md"
RIGHT = 0.95  # Of integer files: they round, and a few digits are uncertain.
OPTIONS = {"digits": (), "relu": ("--activation", "relu")}
# Formats of each export, with its options.
EXPORTS = (
    ("saved_model", "float32", "float16", "dynamic", "int8", "int8_fast"),
    ("gpu", "onnx"),
    ("int8", "--io", "int8"),
)


def main(arguments=None):
    names = [client.name for client in CLIENTS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument(
        "--folder",
        type=Path,
        default=ROOT / "build" / "clients",
        help="environments, files and results, which are kept and used again",
    )
    args = parser.parse_args(arguments)
    make_files(args.folder)
    for client in CLIENTS:
        if client.name in args.only:
            result = run(client, args.folder)
            print(client.name, json.dumps(result, indent=1), flush=True)
            path = args.folder / f"{client.name}.json"
            path.write_text(json.dumps(result))
    PAGE.write_text(page(args.folder))


def make_files(folder):
    """Trains and exports the networks, and keeps the images to compare on."""
    for network in NETWORKS:
        run = folder / network
        if run.exists():
            continue
        run_python("train.py", "--run", run, *OPTIONS[network])
        for formats in EXPORTS:
            run_python("-m", "export", run, "--formats", *formats)
    if (folder / "images.npz").exists():
        return
    import keras
    import numpy as np

    from keras_convmixer.data.image_data import as_arrays
    from keras_convmixer.data.source import Source

    images, _ = as_arrays(Source("digits").load(8).held_out, IMAGES)
    classes = {}
    for network in NETWORKS:
        model = keras.saving.load_model(folder / network / "model.keras")
        classes[network] = model.predict(images, verbose=0).argmax(-1)
    np.savez(folder / "images.npz", images=images, **classes)


def run_python(*arguments):
    command = [sys.executable, *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, check=True)


def run(client, folder):
    """What the client says of each file, or why it could not be run."""
    environment = folder / "environments" / client.name
    python = environment / "bin" / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
    script = ROOT / "tests" / "clients" / "in_client.py"
    commands = (
        [python, "-m", "pip", "install", "--quiet", "numpy", *client.packages],
        [python, script, client.kind, folder],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [""]
            return {"error": f"{lines[-1]} ({done.returncode})"[:300]}
    result = json.loads(done.stdout.splitlines()[-1])
    today = datetime.datetime.now(datetime.UTC).date()
    return {**result, "date": str(today)}


def page(folder):
    """The text of docs/clients.md, of the results in a folder."""
    rows, refusals, networks = [], [], set()
    for client in CLIENTS:
        path = folder / f"{client.name}.json"
        result = json.loads(path.read_text()) if path.exists() else {}
        rows.append(row(client, result))
        for file, found in result.get("files", {}).items():
            networks.add(file.split("/")[0])
            if isinstance(found, str):
                refusals.append(
                    {"client": client.name, "file": file, "answer": found}
                )
    parts = [
        "# Clients",
        "Exported files in clients that nobody here wrote, each in an "
        f"environment of its own: top-1 on {IMAGES} held-out digits against "
        "the Keras model. Written by `python -m tests.clients`, on "
        f"{platform.system()}, {platform.machine()}. The suite of every change "
        "runs the newest LiteRT, TensorFlow, ONNX Runtime and MediaPipe, and "
        "reads archives, names and operator codes of every file.",
        markdown_table(rows),
        f"Right: at least {RIGHT:.0%} of the images. Networks: "
        f"{', '.join(sorted(networks))} (digits: GELU, relu: ReLU).",
    ]
    if refusals:
        parts += [
            "## Files that a client does not run",
            markdown_table(refusals),
        ]
    by_hand = [{"client": k, "result": v} for k, v in BY_HAND.items()]
    parts += ["## Run by hand", markdown_table(by_hand)]
    return "\n\n".join(parts) + "\n"


def row(client, result):
    """A line of the page's table."""
    answers = list(result.get("files", {}).values())
    shares = [answer for answer in answers if not isinstance(answer, str)]
    return {
        "client": client.name,
        "version": result.get("version"),
        "date": result.get("date"),
        "right": f"{sum(s >= RIGHT for s in shares)} of {len(answers)}"
        if answers
        else result.get("error", "not run"),
        "least agreement": f"{min(shares):.2f}" if shares else None,
        "not run": len(answers) - len(shares) if answers else None,
        "note": client.note or None,
    }


if __name__ == "__main__":
    main()
