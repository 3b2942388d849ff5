"""A training that is stopped and goes on ends as if it had not been."""

import os
import signal

import h5py
import keras
import numpy as np
import pytest

from keras_convmixer.command_line.train import main
from keras_convmixer.utils.process_state import HeldStops
from tests.helpers import run_program
from tests.processes import Command, run_command


def progress(run):
    """Epochs and steps of the next one that a backup has behind it."""
    try:
        with h5py.File(run / "backup.weights.h5") as file:
            return file.attrs["epochs"], file.attrs["steps"]
    except OSError:  # There is none yet.
        return 0, 0


def stop_within(command, run, epochs, signal):
    """Sends a signal between two steps, at a backup after some epochs."""

    def is_within():
        done, steps = progress(run)
        return done >= epochs and steps > 0

    command.wait_for(is_within)
    command.send_signal(signal)
    return command.finish()


EACH_STEP = ("--backup-minutes", 1e-9)


def test_ends_as_if_it_had_not_been_killed(tmp_path):
    options = ("--model", "16/2/k5/p2@8", "--limit-steps", 3, "--epochs", 2)
    run, whole = tmp_path / "run", tmp_path / "whole"
    run_program(main, *options, "--run", whole)
    with Command("train.py", *options, *EACH_STEP, "--run", run) as command:
        stop_within(command, run, 0, signal.SIGKILL)
    run_program(main, "--resume", run)
    check_equal(run, whole, "model.keras", "config.json")


@pytest.mark.slow
def test_ends_as_if_it_had_not_been_stopped(photographs, tmp_path):
    """Photographs with all that the ImageNet recipe does to them.

    Neither the number of workers nor the cache changes the weights.
    """
    run, whole = tmp_path / "run", tmp_path / "whole"
    options = [
        *("--image-folder", photographs, "--recipe", "imagenet2012"),
        *("--model", "16/2/k5/p4@48", "--batch-size", 9, "--epochs", 3),
        *("--ema", 0.9),
    ]
    run_program(main, *options, "--workers", 1, "--run", whole)
    options += ["--workers", 2, "--cache", "off"]
    with Command("train.py", *options, *EACH_STEP, "--run", run) as command:
        killed = stop_within(command, run, 0, signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    epochs, steps = progress(run)
    with Command("train.py", "--resume", run) as command:
        # Not SIGINT, which what a shell starts in the background ignores.
        stopped = stop_within(command, run, epochs + 1, signal.SIGTERM)
    assert stopped.returncode == 130
    assert f"goes on in epoch {epochs + 1} after step {steps}" in stopped.stdout
    assert f"to go on: python train.py --resume {run}" in stopped.stdout
    assert not list(run.glob(".*"))
    run_command("train.py", "--resume", run, "--cache", "auto")
    check_equal(run, whole, "model.keras", "config.json", "images.csv")


def check_equal(run, whole, *others):
    """Asserts that two trainings ended with the same weights and figures.

    Args:
        run, whole: Their folders.
        others: Files of `run` besides those that are compared.
    """
    weights, expected = (
        keras.saving.load_model(folder / "model.keras").get_weights()
        for folder in (run, whole)
    )
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    compared = "history.csv", "metrics.json", "labels.txt"
    for name in compared:
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    names = {path.name for path in run.iterdir()}
    assert names == {*compared, *others, "plots"}


TERMINATED_AFTER_THREE_STEPS = """
import os, signal, sys
from keras_convmixer.command_line.train import main
from keras_convmixer.training.callbacks import StopOnNaN

def send(callback, batch, logs):
    if batch == 2:
        os.kill(os.getpid(), signal.SIGTERM)

StopOnNaN.on_train_batch_end = send
main(sys.argv[1:])
"""


def test_sigterm_saves_the_steps_that_are_done(tmp_path):
    run = tmp_path / "run"
    with Command(
        *("-c", TERMINATED_AFTER_THREE_STEPS),
        *("--run", run, "--model", "8/1/k3/p2@8"),
    ) as command:
        stopped = command.finish()
    assert stopped.returncode == 130
    assert f"to go on: python train.py --resume {run}" in stopped.stdout
    assert progress(run) == (0, 3)
    assert not (run / "history.csv").read_text()


def test_a_stop_is_held_back_and_a_second_one_is_not():
    received = []

    def handler(number, frame):
        received.append(number)

    before = signal.signal(signal.SIGTERM, handler)
    try:
        with HeldStops() as stops:
            os.kill(os.getpid(), signal.SIGTERM)
            assert stops.pending
            assert not received
            stops.let_go()
            assert len(received) == 1
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
            assert len(received) == 2
        assert len(received) == 3  # Nothing is lost at the end.
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.slow
def test_goes_on_when_all_but_the_evaluation_is_done(tmp_path):
    run = tmp_path / "run"
    with Command(
        *("train.py", "--epochs", 1, "--limit-steps", 2, "--run", run),
        *("--model", "8/1/k3/p2@8"),
    ) as command:
        # Leaving the block kills it.
        command.wait_for((run / "backup.weights.h5").exists)
    if (run / "metrics.json").exists():
        pytest.skip("the evaluation was too fast to be interrupted")
    run_command("train.py", "--resume", run)
    assert (run / "metrics.json").is_file()
    assert not (run / "backup.weights.h5").exists()


def test_a_loss_that_is_no_number_ends_the_training(tmp_path):
    run = tmp_path / "run"
    done = run_command(
        *("train.py", "--run", run, "--learning-rate", "1e30"), check=False
    )
    assert done.returncode == 2
    # TensorFlow 2.20 logs an XLA compilation regardless of the log level.
    logged = ("WARNING: All log messages", "I0000")
    lines = done.stderr.splitlines()
    (line,) = (line for line in lines if not line.startswith(logged))
    assert "Try a lower learning_rate" in line
    assert not (run / "model.keras").exists()
