"""`train.py --dry-run`: what a training would need, without training."""

import time

import keras
import numpy as np

from keras_convmixer.training.summary import print_summary
from keras_convmixer.training.train import prepare

MEASURED_STEPS = 3
# Weights, gradients and AdamW's two moments, of 4 bytes each.
BYTES_PER_PARAMETER = 16


def dry_run(plan, run=None):
    """Prints images, steps, parameters, memory and an estimate of the time.

    A few steps are trained and thrown away; no file is written.
    """
    training = prepare(plan, lambda: plan.source.load(plan.recipe.image_size))
    print_summary(training, run)
    weights, activations = memory(training)
    ends = []  # When each step ended; the first step compiles.

    def record(batch, logs):
        ends.append(time.perf_counter())

    devices = training.devices
    training.model.fit(
        devices.data(lambda shard: training.batches(shard=shard)),
        steps_per_epoch=MEASURED_STEPS + 1,
        shuffle=False,  # The data set shuffles itself.
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=record)],
        verbose=0,
    )
    step = float(np.median(np.diff(ends)))
    total = step * training.steps * plan.recipe.epochs
    for name, value in {
        "memory": f"{megabytes(weights)} for weights and optimizer and about "
        f"{megabytes(activations)} for activations, in each replica",
        "time": f"about {duration(total)} without evaluation, from "
        f"{MEASURED_STEPS} steps of {step:.3g} s on this machine",
    }.items():
        print(f"{name:>14}  {value}")


def memory(training):
    """Bytes of a replica: `(weights and optimizer, activations)`.

    The activations are the outputs of all layers, which the backward pass
    needs; a framework may free or fuse some of them.
    """
    model = training.model
    replicas = training.devices.replicas
    batch = training.plan.recipe.batch_size / replicas
    size = 4 if model.layers[-2].compute_dtype == "float32" else 2
    outputs = sum(
        np.prod(layer.output.shape[1:])
        for layer in model.layers
        if isinstance(layer.output, keras.KerasTensor)
    )
    return (
        BYTES_PER_PARAMETER * model.count_params(),
        int(batch * size * outputs),
    )


def megabytes(count):
    return f"{count / 1e6:.3g} MB" if count < 1e8 else f"{count / 1e6:,.0f} MB"


def duration(seconds):
    """As in "3 min" and "2.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.3g} h"
