"""Several machines train what one machine trains: two processes, loopback."""

import contextlib
import json
import signal
import socket

import numpy as np
import pytest

from keras_convmixer.training.devices import distribute
from tests.processes import Command, checked, run_command

SECONDS = 1800  # That machines may take, which could wait for one another.
TWENTY_STEPS = """
import dataclasses, sys
from keras_convmixer.utils.commands import quiet_tensorflow
quiet_tensorflow()
import keras, numpy as np
from keras_convmixer.data.augmentation import Augmentation
from keras_convmixer.data.batches import held_out_batches, training_batches
from keras_convmixer.data.source import Source
from keras_convmixer.training.devices import distribute
from keras_convmixer.training.recipes import DIGITS
from keras_convmixer.training.compile import (compile_for_training)

devices = distribute(None, 64)
keras.utils.set_random_seed(0)
data = Source("digits").load(8)
# An odd number: one machine has one more of them than the other.
pictures = data.held_out_pictures
pictures = dataclasses.replace(pictures, rows=pictures.rows.take(359))
data = dataclasses.replace(data, held_out_pictures=pictures)
with devices.scope():
    model = DIGITS.build(10)
    if devices.workers:
        model = devices.prepare(model)
    # AdamW turns the rounding of small gradients into steps: not too large.
    compile_for_training(model, DIGITS.replace(learning_rate=0.001), 660)
losses = []

def fit():
    return model.fit(
        devices.data(lambda shard: training_batches(
            data, 64, 20, 0, Augmentation(DIGITS), shard=shard)),
        validation_data=devices.data(
            lambda shard: held_out_batches(data, 64, shard)),
        steps_per_epoch=20, verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=
            lambda batch, logs: losses.append(float(logs["loss"])))],
    )

needs_mend = False
if devices.workers:
    try:
        fit()
    except (TypeError, ValueError):
        needs_mend = True
    devices.prepare_fit(model)
history = fit().history
np.savez(
    sys.argv[1], *model.get_weights(), losses=losses, needs_mend=needs_mend,
    held_out=[*history["val_loss"], *history["val_accuracy"]],
)
"""


def start_cluster(stack, *arguments):
    """A `Command` for each of two machines, which ends with the stack."""
    cluster = {"worker": two_addresses()}
    return [
        stack.enter_context(
            Command(
                *(str(argument).format(index) for argument in arguments),
                TF_CONFIG=json.dumps(
                    {
                        "cluster": cluster,
                        "task": {"type": "worker", "index": index},
                    }
                ),
            )
        )
        for index in range(2)
    ]


def two_addresses():
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("localhost", 0))
    addresses = [f"localhost:{s.getsockname()[1]}" for s in sockets]
    for each in sockets:
        each.close()
    return addresses


@pytest.mark.slow
def test_two_machines_do_the_steps_of_one(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(TWENTY_STEPS)
    run_command(script, tmp_path / "one.npz")
    with contextlib.ExitStack() as stack:
        machines = start_cluster(stack, script, tmp_path / "worker{}.npz")
        for machine in machines:
            checked(machine.finish(SECONDS))
    one, *workers = (
        dict(np.load(tmp_path / f"{name}.npz"))
        for name in ("one", "worker0", "worker1")
    )
    # If this fails, `compat.patch_fit_on_workers` is needed no more.
    assert workers[0].pop("needs_mend")
    del one["needs_mend"]
    for name in one:
        np.testing.assert_array_equal(workers[0][name], workers[1][name])
    difference = np.abs(workers[0]["losses"] - one["losses"]).max()
    print(f"losses of 20 steps differ by {difference:.1e} at most")
    assert difference < 1e-4
    # Each looked at half of the held-out images.
    np.testing.assert_allclose(
        workers[0]["held_out"], one["held_out"], atol=1e-4
    )


@pytest.mark.slow
def test_goes_on_after_a_machine_was_lost(tmp_path):
    run = tmp_path / "run"
    short = ("--epochs", 2, "--limit-steps", 8)
    with contextlib.ExitStack() as stack:
        chief, other = start_cluster(stack, "train.py", "--run", run, *short)
        chief.wait_for((run / "backup.weights.h5").exists)
        other.send_signal(signal.SIGKILL)
        done, killed = chief.finish(SECONDS), other.finish(SECONDS)
    assert (done.returncode, killed.returncode) == (1, -signal.SIGKILL)
    assert f"again: python train.py --resume {run}" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (run / "metrics.json").exists()

    with contextlib.ExitStack() as stack:
        machines = start_cluster(stack, "train.py", "--resume", run)
        _, other = [checked(machine.finish(SECONDS)) for machine in machines]
    assert json.loads((run / "metrics.json").read_text())["images"] == 360
    assert (run / "history.csv").read_text().count("\n") == 3
    assert not other.stdout.strip()
    assert not other.stderr.strip()


@pytest.fixture
def in_cluster(monkeypatch):
    cluster = {"worker": two_addresses()}
    task = {"type": "worker", "index": 0}
    monkeypatch.setenv(
        "TF_CONFIG", json.dumps({"cluster": cluster, "task": task})
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((2, 64), "without a GPU has one replica"),
        ((None, 64, 2), "with one replica only"),
        ((None, 65), "must divide by the number of replicas, 2"),
    ],
)
def test_what_a_cluster_can_not_do(in_cluster, arguments, words):
    with pytest.raises(ValueError, match=words):
        distribute(*arguments)
