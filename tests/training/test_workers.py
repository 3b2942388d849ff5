"""Several machines train what one machine trains: two processes, loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_convmixer.training.devices import distribute
from tests.processes import ROOT

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
    devices.mend(model)
history = fit().history
np.savez(
    sys.argv[1], *model.get_weights(), losses=losses, needs_mend=needs_mend,
    held_out=[*history["val_loss"], *history["val_accuracy"]],
)
"""


def start(*arguments, cluster=()):
    """A process, or one for each address of a cluster."""
    environments = (
        [{}]
        if not cluster
        else [
            {
                "TF_CONFIG": json.dumps(
                    {
                        "cluster": {"worker": cluster},
                        "task": {"type": "worker", "index": index},
                    }
                )
            }
            for index in range(len(cluster))
        ]
    )
    return [
        subprocess.Popen(
            [sys.executable, *(str(a).format(index) for a in arguments)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index, environment in enumerate(environments)
    ]


def two_addresses():
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("localhost", 0))
    addresses = [f"localhost:{s.getsockname()[1]}" for s in sockets]
    for each in sockets:
        each.close()
    return addresses


def ends(processes):
    """Exit statuses and what was printed."""
    printed = [process.communicate(timeout=300)[0] for process in processes]
    return [process.returncode for process in processes], printed


def test_two_machines_do_the_steps_of_one(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(TWENTY_STEPS)
    one = start(script, tmp_path / "one.npz")
    assert ends(one)[0] == [0]
    workers = start(
        *(script, tmp_path / "worker{}.npz"),
        cluster=two_addresses(),
    )
    statuses, printed = ends(workers)
    assert statuses == [0, 0], printed
    one, *workers = (
        dict(np.load(tmp_path / f"{name}.npz"))
        for name in ("one", "worker0", "worker1")
    )
    # If this fails, `workers.patch_fit` is needed no more.
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


def test_goes_on_after_a_machine_was_lost(tmp_path):
    run = tmp_path / "run"
    chief, other = start(
        *("train.py", "--run", run, "--epochs", 2, "--limit-steps", 8),
        cluster=two_addresses(),
    )
    while not (run / "backup.weights.h5").exists():
        assert chief.poll() is None, chief.stdout.read()
        time.sleep(0.05)
    other.send_signal(signal.SIGKILL)
    statuses, printed = ends([chief, other])
    assert statuses == [1, -signal.SIGKILL]
    assert f"again: python train.py --resume {run}" in printed[0]
    assert "Traceback" not in printed[0]
    assert not (run / "metrics.json").exists()

    again = start("train.py", "--resume", run, cluster=two_addresses())
    statuses, printed = ends(again)
    assert statuses == [0, 0], printed
    assert json.loads((run / "metrics.json").read_text())["images"] == 360
    assert (run / "history.csv").read_text().count("\n") == 3
    assert not printed[1].strip()


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
