"""A step that XLA compiles computes what it computes uncompiled."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_convmixer.training.callbacks import state_of
from keras_convmixer.training.compile import (
    compile_for_training,
    dtype_policy,
)
from keras_convmixer.training.devices import Devices, distribute
from keras_convmixer.training.gpus import be_deterministic
from keras_convmixer.training.xla import black_batch, compile_ahead
from keras_convmixer.utils.checks import UserError
from tests.processes import run_command
from tests.training.test_combinations import plan_of, prepared

STEPS = 3
CASES = {  # By kernel size: options and changes of the recipe.
    3: (("float16", "ema", "freeze"), {}),
    4: (("mixing",), {"activation": "gelu"}),
    5: (("bfloat16", "accumulation", "class weights"), {}),
    6: (("ema", "accumulation"), {"depthwise_initializer": "covariance"}),
    7: (("float16", "accumulation", "mixing"), {"activation": "gelu"}),
    8: (("class weights", "freeze"), {}),
    9: (("bfloat16", "ema"), {"activation": "gelu"}),
}
TWO_REPLICAS = ("ema", "freeze", "class weights", "mixing")


def xla_plan(names, changes, **options):
    plan = plan_of(names, **options)
    recipe = plan.recipe.replace(**changes)
    return dataclasses.replace(plan, recipe=recipe, xla="on")


def states(training, model):
    """All variables before and after three steps; puts the first back."""
    scope = training.devices.scope
    if not model.optimizer.built:
        with scope():
            model.optimizer.build(model.trainable_variables)
    before, after = values(model), []
    steps = STEPS * training.plan.recipe.accumulation

    def record(batch, logs):
        if batch == steps - 1:
            after.extend(values(model))

    model.fit(
        training.devices.data(lambda shard: training.batches(0, shard)),
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=record)],
    )
    with scope():
        for variable, value in zip(state_of(model), before, strict=True):
            variable.assign(value)
    return before, after


def values(model):
    return [keras.ops.convert_to_numpy(v) for v in state_of(model)]


def check(precision, before, compiled, uncompiled):
    """16-bit numbers are rounded in other places, the others hardly."""
    assert len(compiled) == len(uncompiled) == len(before)
    if precision is None:
        for ours, theirs in zip(compiled, uncompiled, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    old, ours, theirs = (
        np.concatenate([np.ravel(value) for value in state])
        for state in (before, compiled, uncompiled)
    )
    change = np.linalg.norm(theirs - old)
    assert change > 0
    assert np.linalg.norm(ours - theirs) <= 0.1 * change


@pytest.mark.parametrize("kernel_size", CASES)
def test_a_compiled_step_is_the_uncompiled(kernel_size):
    names, changes = CASES[kernel_size]
    plan = xla_plan(names, {**changes, "kernel_size": kernel_size})
    training = prepared(plan)
    model = training.model
    assert model.jit_compile
    before, compiled = states(training, model)
    model.run_eagerly, model.jit_compile = True, False
    model.make_train_function(force=True)
    _, uncompiled = states(training, model)
    check(plan.mixed_precision, before, compiled, uncompiled)


def test_a_compiled_step_of_two_replicas_is_the_uncompiled(tmp_path):
    """Both take the statistics of norms on each replica."""
    run_command(
        "-c",
        f"import sys\nfrom {__name__} import train_on_two_replicas\n"
        "train_on_two_replicas(sys.argv[1])",
        tmp_path,
    )
    for precision in (None, "float16"):
        file = np.load(tmp_path / f"{precision}.npz")
        results = [
            [file[f"{state} {i}"] for i in range(len(file) // 3)]
            for state in ("before", "compiled", "uncompiled")
        ]
        check(precision, *results)


def train_on_two_replicas(folder):
    be_deterministic()  # Has XLA's flag, and TensorFlow's way, tried as well.
    plan = xla_plan(TWO_REPLICAS, {}, replicas=2)
    training = prepared(plan)
    devices, model = training.devices, training.model
    for precision in (None, "float16"):
        if precision:
            with devices.scope(), dtype_policy("mixed_float16"):
                stock = plan.recipe.build(3, classifier_activation=None)
                model = devices.prepare(stock)
                compile_for_training(model, plan.recipe, STEPS, False)
        results = {}
        before, compiled = states(training, model)
        model.xla = False
        model.make_train_function(force=True)
        _, uncompiled = states(training, model)
        for name, state in {
            "before": before,
            "compiled": compiled,
            "uncompiled": uncompiled,
        }.items():
            results |= {f"{name} {i}": v for i, v in enumerate(state)}
        np.savez(f"{folder}/{precision}.npz", **results)


def test_compiling_ahead_changes_no_variable_and_is_not_done_again():
    training = prepared(xla_plan(("float16", "ema"), {}))
    model, scope = training.model, training.devices.scope
    traces = []

    def train_step(data):
        traces.append(data)
        return keras.Model.train_step(model, data)

    model.train_step = train_step
    with scope():  # As a backup that is restored leaves it.
        model.optimizer.build(model.trainable_variables)
        model.optimizer.inner_optimizer.iterations.assign(7)
    before = values(model)
    batches = black_batch(training.batches())
    assert compile_ahead(model, batches, scope) is None
    for old, new in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(old, new)
    model.fit(training.batches(), steps_per_epoch=2, shuffle=False, verbose=0)
    assert len(traces) == 1


def test_what_xla_can_not_compile_is_trained_without():
    def unknown_to_xla(x):
        zeros = tf.numpy_function(np.zeros_like, [x], tf.float32)
        return x + tf.ensure_shape(zeros, x.shape)

    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(2),
            keras.layers.Lambda(unknown_to_xla),
        ]
    )
    model.compile("adam", "mse", jit_compile=True)
    batches = tf.data.Dataset.from_tensors((tf.ones((3, 4)), tf.ones((3, 2))))
    before = model.get_weights()
    failure = compile_ahead(model, black_batch(batches))
    assert "compile" in failure.message
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.fit(batches, shuffle=False, verbose=0)
    assert model.optimizer.iterations.numpy() == 1


@pytest.mark.parametrize(
    ("choice", "is_on"), [("auto", False), ("off", False), ("on", True)]
)
def test_a_cpu_does_without_unless_told(choice, is_on):
    devices = distribute(1, 8, xla=choice)
    assert devices.xla == devices.jit_compile == is_on
    # The layers that are fast on one CPU are made for uncompiled steps.
    assert devices.one_cpu != is_on


def test_activations_that_are_computed_again_change_nothing():
    results = []
    for rematerialize in (False, True):
        plan = xla_plan(("ema",), {"activation": "gelu"})
        plan = dataclasses.replace(plan, rematerialize=rematerialize)
        training = prepared(plan)
        model = training.model
        layer = model.get_layer("block_0_pointwise_activation")
        assert bool(layer._remat_mode) == rematerialize
        model.run_eagerly, model.jit_compile = True, False
        results.append(states(training, model))
    (before, expected), (_, recomputed) = results
    check(None, before, recomputed, expected)


def test_keras_compiles_nothing_where_tensorflow_is_deterministic():
    devices = Devices(["GPU:0"], xla=True, deterministic=True)
    assert devices.compiles_gradients
    assert not devices.jit_compile


def test_another_choice_is_refused():
    with pytest.raises(UserError, match="xla must be one of 'auto', 'on', 'o"):
        dataclasses.replace(plan_of(()), xla="yes")
