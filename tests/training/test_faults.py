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

from tests.helpers import run_command, start

TRAINING = (
    *("--epochs", 3, "--limit-steps", 3, "--batch-size", 16),
    *("--model", "8/1/k3/p2@8"),
)


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)


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


def test_a_full_disk_leaves_what_was_there(small_disk, tmp_path):
    run, whole = small_disk / "run", tmp_path / "whole"
    backup = run / "backup.weights.h5"
    with start("train.py", *TRAINING, "--run", run) as process:
        wait_for(backup.exists, process)
        process.send_signal(signal.SIGSTOP)
        filler = fill(small_disk)
        before = backup.read_bytes()
        process.send_signal(signal.SIGCONT)
        printed = process.communicate()[0]
    assert process.returncode == 2
    assert "error: " in printed.splitlines()[-1]
    assert "Traceback" not in printed
    assert backup.read_bytes() == before
    assert keras.saving.load_model(run / "best.keras")

    filler.unlink()
    run_command("train.py", "--resume", run)
    run_command("train.py", *TRAINING, "--run", whole)
    for folder in (run, whole):
        assert (folder / "metrics.json").exists()
    assert (run / "history.csv").read_text().split() == (
        (whole / "history.csv").read_text().split()
    )

    fill(small_disk)
    done = run_command("-m", "export", run, "--images", 9, check=False)
    assert done.returncode == 2
    assert "No space left" in done.stderr.splitlines()[-1]
    assert not (run / "export").exists()


def test_a_run_folder_has_one_user(tmp_path):
    run = tmp_path / "run"
    with start("train.py", *TRAINING, "--run", run) as process:
        wait_for((run / "best.keras").exists, process)
        process.send_signal(signal.SIGSTOP)
        for command in (
            ("train.py", "--resume", run),
            ("-m", "export", run, "--formats", "float32"),
        ):
            done = run_command(*command, check=False)
            assert done.returncode == 2
            assert done.stderr == f"error: another process uses {run}\n"
        process.send_signal(signal.SIGCONT)
        process.communicate()
    assert process.returncode == 0
    assert json.loads((run / "metrics.json").read_text())["images"] == 360
    assert not (run / "export").exists()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_an_export_that_is_stopped_leaves_the_last_one(
    digits_export, tmp_path, stop
):
    run = tmp_path / "run"
    shutil.copytree(digits_export.parent, run)
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with start("-m", "export", run, "--formats", "int8") as process:
        wait_for(lambda: list(run.glob(".*.export")), process)
        time.sleep(1)
        process.send_signal(stop)
        printed = process.communicate()[0]
    if stop == signal.SIGTERM:
        assert process.returncode == 130
        assert printed.endswith("stopped\n")
        assert not list(run.glob(".*"))
    done = run_command("-m", "export", run, "--formats", "dynamic")
    assert "agreement" in done.stdout
    assert not list(run.glob(".*"))
    report = json.loads((run / "export" / "report.json").read_text())
    card = (run / "export" / "MODEL_CARD.md").read_text()
    files = [row["file"] for row in report["files"]]
    assert {"run_dynamic.tflite", "digits_int8_qat.tflite"} < set(files)
    for row in report["files"]:
        path = run / "export" / row["file"]
        assert path.is_dir() or path.stat().st_size == row["bytes"]
        assert path.name in card
    for path in before:
        if path.suffix not in (".json", ".md") and "dynamic" not in path.name:
            assert path.read_bytes() == before[path]


def test_two_trainings_do_not_share_a_new_folder(tmp_path):
    run = tmp_path / "run"
    processes = [start("train.py", *TRAINING, "--run", run) for _ in range(2)]
    printed = [process.communicate()[0] for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 2]
    refused = printed[processes[0].returncode == 0]
    assert refused.splitlines()[-1].startswith("error: ")
    assert (run / "metrics.json").exists()


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
    done = run_command("-m", "export", run, "--formats", "float32")
    assert "100.00" in done.stdout
