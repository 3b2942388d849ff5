"""What machines do to a training or an export: nothing is lost or torn."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time

import keras
import pytest

from export.__main__ import main as export
from keras_convmixer.command_line.train import main as train
from tests.helpers import run_program, slow_except
from tests.processes import Command, run_command, run_python

TRAINING = (
    *("--epochs", 3, "--limit-steps", 3, "--batch-size", 16),
    *("--model", "8/1/k3/p2@8"),
)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder):
    """Leaves no byte free; returns the file that takes them."""
    path = folder / "filler"
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while True:
            file.write(bytes(256))
    return path


@pytest.mark.slow
def test_a_full_disk_leaves_what_was_there(small_disk, tmp_path):
    run, whole = small_disk / "run", tmp_path / "whole"
    backup = run / "backup.weights.h5"
    with Command("train.py", *TRAINING, "--run", run) as command:
        command.wait_for(backup.exists)
        command.send_signal(signal.SIGSTOP)
        filler = fill(small_disk)
        before = backup.read_bytes()
        command.send_signal(signal.SIGCONT)
        done = command.finish()
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stdout + done.stderr
    assert backup.read_bytes() == before
    assert keras.saving.load_model(run / "model.keras")

    filler.unlink()
    run_command("train.py", "--resume", run)
    run_program(train, *TRAINING, "--run", whole)
    for folder in (run, whole):
        assert (folder / "metrics.json").exists()
    assert (run / "history.csv").read_text().split() == (
        (whole / "history.csv").read_text().split()
    )

    fill(small_disk)
    done = run_command(
        "-m", "export", run, "--images", 9, "--formats", "int8", check=False
    )
    assert done.returncode == 2
    assert "No space left" in done.stderr.splitlines()[-1]
    assert not (run / "export").exists()


@pytest.mark.slow
def test_a_run_folder_has_one_user(tmp_path):
    run = tmp_path / "run"
    with Command("train.py", *TRAINING, "--run", run) as command:
        command.wait_for((run / "model.keras").exists)
        command.send_signal(signal.SIGSTOP)
        for other in (
            ("train.py", "--resume", run),
            ("-m", "export", run, "--formats", "float32"),
        ):
            done = run_command(*other, check=False)
            assert done.returncode == 2
            assert done.stderr == f"error: another process uses {run}\n"
        command.send_signal(signal.SIGCONT)
        assert command.finish().returncode == 0
    assert json.loads((run / "metrics.json").read_text())["images"] == 360
    assert not (run / "export").exists()


@pytest.mark.parametrize(
    "stop", slow_except([signal.SIGTERM, signal.SIGKILL], signal.SIGKILL)
)
def test_an_export_that_is_stopped_leaves_the_last_one(
    digits_export, tmp_path, stop
):
    run = tmp_path / "run"
    shutil.copytree(digits_export.parent, run)
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with Command("-m", "export", run, "--formats", "int8") as command:
        command.wait_for(lambda: list(run.glob(".keras_convmixer-*")))
        time.sleep(1)
        command.send_signal(stop)
        stopped = command.finish()
    if stop == signal.SIGTERM:
        assert stopped.returncode == 130
        assert stopped.stderr.endswith("stopped\n")
        assert not list(run.glob(".*"))
    printed = run_program(export, run, "--formats", "dynamic")
    assert "agreement" in printed
    assert not list(run.glob(".*"))
    report = json.loads((run / "export" / "report.json").read_text())
    card = (run / "export" / "MODEL_CARD.md").read_text()
    files = [row["file"] for row in report["files"]]
    assert {"run_dynamic.tflite", "digits_gpu.tflite"} < set(files)
    for row in report["files"]:
        path = run / "export" / row["file"]
        assert path.is_dir() or path.stat().st_size == row["bytes"]
        assert path.name in card
    for path in before:
        if path.suffix not in (".json", ".md") and "dynamic" not in path.name:
            assert path.read_bytes() == before[path]


INTERRUPT_REPLACED = """
import os, signal, time
from keras_convmixer.utils.commands import one_line_errors

# As in the foreground: what a shell starts in the background ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
with one_line_errors():
    try:
        os.kill(os.getpid(), signal.SIG{})
        time.sleep(10)
    except KeyboardInterrupt:
        raise SystemError("bad argument to internal function") from None
"""


@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_an_interrupt_that_a_library_replaced_is_a_stop(name):
    done = run_python("-c", INTERRUPT_REPLACED.format(name), check=False)
    assert (done.returncode, done.stderr) == (130, "stopped\n")


EXPORT_ENDED_WHEN_TORN = """
import json, os, signal, sys
from pathlib import Path
from export.__main__ import main

folder = Path(sys.argv[1], "export")

def is_torn():
    try:
        rows = json.loads((folder / "report.json").read_text())["files"]
        sizes = {row["file"]: row["bytes"] for row in rows}
        card = (folder / "MODEL_CARD.md").read_text()
        return any(name not in card for name in sizes) or any(
            (folder / name).stat().st_size != size
            for name, size in sizes.items()
            if name != "saved_model"
        )
    except OSError:
        return True

def look(event, arguments):
    if event in ("os.rename", "os.remove", "os.rmdir") and is_torn():
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(look)
main([*sys.argv[1:], "--formats", "float32", "--images", "360"])
"""


def test_no_moment_of_an_export_has_files_without_their_report(
    digits_export, tmp_path
):
    """The process kills itself where a kill would leave them."""
    run = tmp_path / "digits"
    shutil.copytree(digits_export.parent, run)
    file = run / "export" / "digits_float32.tflite"
    before = file.read_bytes()
    file.write_bytes(before + bytes(1000))  # Of another size than the new one.
    report = run / "export" / "report.json"
    values = json.loads(report.read_text())
    for row in values["files"]:
        row["bytes"] += 1000 * (row["file"] == file.name)
    report.write_text(json.dumps(values))
    (run / "export" / "notes.txt").write_text("kept")
    done = run_command("-c", EXPORT_ENDED_WHEN_TORN, run, check=False)
    assert done.returncode == 0, done.stderr
    assert len(file.read_bytes()) < len(before) + 1000
    assert (run / "export" / "notes.txt").read_text() == "kept"
    assert (run / "export" / "digits_int8.tflite").is_file()
    assert not list(run.glob(".*"))


@pytest.mark.slow
def test_two_trainings_do_not_share_a_new_folder(tmp_path):
    run = tmp_path / "run"
    training = ("train.py", *TRAINING, "--run", run)
    with Command(*training) as first, Command(*training) as second:
        done = [first.finish(), second.finish()]
    trained, refused = sorted(done, key=lambda each: each.returncode)
    assert (trained.returncode, refused.returncode) == (0, 2)
    assert refused.stderr.splitlines()[-1].startswith("error: ")
    assert (run / "metrics.json").exists()


@pytest.mark.slow
def test_the_clock_may_go_backwards(tmp_path):
    run = tmp_path / "run"
    backwards = (
        "import runpy, sys, time\n"
        "begin = time.time()\n"
        "time.time = lambda: begin - 1000 * time.perf_counter()\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    run_command("-c", backwards, "train.py", *TRAINING, "--run", run)
    os.utime(run / "config.json", (4e9, 4e9))
    printed = run_program(export, run, "--formats", "float32")
    assert "100.00" in printed
