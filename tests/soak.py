"""Kills trainings and exports at any moment; nothing may be lost.

python -m tests.soak --kills 200

After each SIGKILL everything that the run folder holds has to load, and the
same command, with --resume where a training began, has to succeed. Prints what
was lost. The processes are copies of one that has imported TensorFlow, so that
the moments are those of this project's own work.
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from export.__main__ import main as export
from keras_convmixer.command_line import train
from keras_convmixer.utils.commands import (
    Parser,
    positive_int,
    quiet_tensorflow,
)

TRAINING = (
    *("--epochs", "3", "--limit-steps", "3", "--batch-size", "16"),
    *("--model", "8/1/k3/p2@8"),
)
EXPORTED_FORMATS = ("saved_model", "dynamic")


def start(function, log):
    """A copy of this process that does one thing; its number."""
    number = os.fork()
    if number:
        return number
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    status = 1
    try:
        function()
        status = 0
    except SystemExit as stop:
        status = int(stop.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        os._exit(status)


def finish(number):
    """Waits for a copy; its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def train_in(run):
    begun = (run / "config.json").exists()
    run_arguments = ["--resume", str(run)]
    if not begun:
        run_arguments = ["--run", str(run), *TRAINING]
    train.main(run_arguments)


def export_from(run):
    least = ["--min-agreement", "0", "--images", "20"]
    export([str(run), "--formats", *EXPORTED_FORMATS, *least])


def check(run):
    """Loads all that a run folder holds; an error for what does not."""
    import h5py
    import keras
    import tensorflow as tf
    from PIL import Image

    from keras_convmixer.evaluation.runtime import TFLiteFile

    for path in run.rglob("*"):
        if any(part.startswith(".") for part in path.relative_to(run).parts):
            continue  # Unfinished, and removed by the next command.
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".keras":
            keras.saving.load_model(path)
        elif path.suffix == ".h5":
            with h5py.File(path) as file:
                assert file.attrs["epochs"] > 0
        elif path.suffix == ".png":
            Image.open(path).load()
        elif path.suffix == ".tflite":
            TFLiteFile(path)
        elif path.name == "saved_model":
            tf.saved_model.load(str(path))
    report = run / "export" / "report.json"
    if report.parent.exists():
        for row in json.loads(report.read_text())["files"]:
            file = run / "export" / row["file"]
            assert file.is_dir() or file.stat().st_size == row["bytes"]


def kill_and_repeat(work, run, seconds, log):
    """Kills some work within the seconds it takes, and does it again.

    Returns:
        What was lost, in words; None for nothing.
    """
    number = start(partial(work, run), log)
    time.sleep(random.uniform(0, seconds))
    os.kill(number, signal.SIGKILL)
    finish(number)
    if finish(start(partial(check, run), log)):
        return "something did not load"
    if work is train_in and (run / "metrics.json").exists():
        return None  # It was faster.
    if finish(start(partial(work, run), log)):
        return "it did not succeed when it was repeated"
    if finish(start(partial(check, run), log)):
        return "something did not load in the end"
    return None


def main(arguments=None):
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=positive_int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    random.seed(args.seed)
    quiet_tensorflow()
    folder = Path(tempfile.mkdtemp())
    log, run = folder / "log", folder / "run"
    seconds = {}
    for work in (train_in, export_from):
        begin = time.perf_counter()
        if finish(start(partial(work, run), log)):
            sys.exit(log.read_text())
        seconds[work] = time.perf_counter() - begin
    losses = 0
    for kill in range(args.kills):
        work = (train_in, export_from)[kill % 2]
        if work is train_in:
            shutil.rmtree(run)
        lost = kill_and_repeat(work, run, seconds[work], log)
        if lost:
            losses += 1
            kept = folder / f"lost_{kill}"
            shutil.copytree(run, kept, dirs_exist_ok=True)
            print(f"kill {kill}, {work.__name__}: {lost}; see {kept}, {log}")
    print(f"{args.kills} kills, {losses} losses")
    if not losses:
        shutil.rmtree(folder)
    sys.exit(1 if losses else 0)


if __name__ == "__main__":
    main()
