"""A step that XLA compiles computes what it computes uncompiled."""

import dataclasses
import faulthandler

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_convmixer.features import freeze
from keras_convmixer.training.backup import state_of
from keras_convmixer.training.compile import (
    compile_for_training,
    dtype_policy,
)
from keras_convmixer.training.depthwise import SwitchableDepthwiseConv2D
from keras_convmixer.training.devices import Devices, distribute
from keras_convmixer.training.gpus import be_deterministic
from keras_convmixer.training.xla import black_batch, compile_ahead
from keras_convmixer.utils.checks import UserError
from tests.helpers import slow_except
from tests.processes import run_command
from tests.training.test_combinations import plan_of, prepared

STEPS = 3
# XLA takes seconds to compile a step: each has several options.
CASES = [  # Options, and changes of the recipe.
    (
        ("ema", "accumulation", "mixing"),
        {
            "activation": "gelu",
            "kernel_size": 4,
            "depthwise_initializer": "covariance",
        },
    ),
    (("float16", "ema", "freeze", "class weights"), {}),
    (("bfloat16", "accumulation", "class weights"), {}),
]
SECONDS = 900  # That two replicas may take, which could wait for each other.
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


@pytest.mark.parametrize("case", slow_except(CASES, CASES[1]))
def test_a_compiled_step_is_the_uncompiled(case):
    names, changes = case
    plan = xla_plan(names, changes)
    training = prepared(plan)
    model, scope = training.model, training.devices.scope
    assert model.jit_compile
    traces = count_traces(model)
    with scope():  # As a backup that is restored leaves it.
        model.optimizer.build(model.trainable_variables)
    if plan.mixed_precision == "float16":
        # At 32,768 a gradient may overflow in one of the steps only.
        model.optimizer.dynamic_scale.assign(1024)
    before = values(model)
    assert compile_ahead(model, black_batch(training.batches()), scope) is None
    for old, new in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(old, new)
    ahead = len(traces)
    assert ahead > 0
    before, compiled = states(training, model)
    assert len(traces) == ahead  # Nothing is compiled once more.
    model.run_eagerly, model.jit_compile = True, False
    model.make_train_function(force=True)
    _, uncompiled = states(training, model)
    check(plan.mixed_precision, before, compiled, uncompiled)


def count_traces(model):
    """A list that grows whenever a step of the model is traced."""
    traces, step = [], model.train_step

    def train_step(data):
        traces.append(data)
        return step(data)

    model.train_step = train_step
    return traces


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_kernels_of_any_size_are_compiled(dtype):
    """All in one function, which is compiled once."""
    random = np.random.default_rng(0)
    images = tf.cast(random.normal(size=(2, 10, 10, 3)), dtype)
    kernels = [
        tf.cast(random.normal(size=(k, k, 3, 1)), dtype) for k in range(3, 10)
    ]

    def gradients(images, kernels):
        with tf.GradientTape() as tape:
            tape.watch([images, *kernels])
            results = [
                tf.nn.depthwise_conv2d(images, kernel, [1] * 4, "SAME")
                for kernel in kernels
            ]
            loss = tf.add_n([tf.reduce_sum(tf.square(r)) for r in results])
        return tape.gradient(loss, [images, *kernels])

    compiled = tf.function(gradients, jit_compile=True, autograph=False)(
        images, kernels
    )
    wide = tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), kernels)
    exact = gradients(tf.cast(images, tf.float32), wide)
    tolerance = 1e-5 if dtype == "float32" else 0.03
    for ours, theirs in zip(compiled, exact, strict=True):
        difference = np.linalg.norm(tf.cast(ours, tf.float32) - theirs)
        assert difference <= tolerance * np.linalg.norm(theirs)


@pytest.fixture(scope="module")
def two_replicas(tmp_path_factory):
    """What `train_on_two_replicas` writes."""
    path = tmp_path_factory.mktemp("two_replicas") / "states.npz"
    run_command(
        "-c",
        f"import sys\nfrom {__name__} import train_on_two_replicas\n"
        "train_on_two_replicas(sys.argv[1])",
        path,
    )
    return np.load(path)


def train_on_two_replicas(path):
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    be_deterministic()  # Has XLA's flag, and TensorFlow's way, tried as well.
    plan = xla_plan(TWO_REPLICAS, {}, replicas=2)
    training = prepared(plan)
    devices, model = training.devices, training.model
    results = {}
    results["before"], results["compiled"] = states(training, model)
    model.xla = False
    model.make_train_function(force=True)
    _, results["uncompiled"] = states(training, model)
    with devices.scope(), dtype_policy("mixed_float16"):
        stock = plan.recipe.build(3, classifier_activation=None)
        freeze(stock, plan.freeze)
        sixteen = devices.prepare(stock)
        compile_for_training(sixteen, plan.recipe, STEPS, False)
        sixteen.set_weights(results["before"][: len(sixteen.weights)])
    _, after = states(training, sixteen)
    count = len(sixteen.weights)
    results["float16"] = after[:count]
    # An overflow on the second replica only.
    images, labels, weights = next(iter(training.batches()))
    weights = tf.where(np.arange(8) >= 4, 1e7 * weights, weights)
    batch = tf.data.Dataset.from_tensors((images, labels, weights))
    sixteen.fit(batch, shuffle=False, verbose=0)
    results["overflow"] = [
        keras.ops.convert_to_numpy(v) for v in sixteen.trainable_variables
    ]
    results["no overflow"] = [
        value
        for value, variable in zip(
            results["before"], sixteen.weights, strict=False
        )
        if variable.trainable
    ]
    np.savez(
        path,
        **{
            f"{name} {index}": value
            for name, values in results.items()
            for index, value in enumerate(values)
        },
    )


def saved(file, name):
    names = [each for each in file if each.rpartition(" ")[0] == name]
    return [file[f"{name} {index}"] for index in range(len(names))]


@pytest.mark.slow
def test_a_compiled_step_of_two_replicas_is_the_uncompiled(two_replicas):
    """Both take the statistics of norms on each replica."""
    before, compiled, uncompiled, sixteen = (
        saved(two_replicas, name)
        for name in ("before", "compiled", "uncompiled", "float16")
    )
    check(None, before, compiled, uncompiled)
    count = len(sixteen)
    check("float16", before[:count], sixteen, compiled[:count])


@pytest.mark.slow
def test_an_overflow_on_one_replica_skips_the_compiled_step(two_replicas):
    before = saved(two_replicas, "no overflow")
    after = saved(two_replicas, "overflow")
    assert before
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_what_xla_can_not_compile_is_trained_without():
    def unknown_to_xla(x):
        zeros = tf.numpy_function(np.zeros_like, [x], tf.float32)
        return x + tf.ensure_shape(zeros, x.shape)

    convolution = SwitchableDepthwiseConv2D(
        4, padding="same", dtype="mixed_float16"
    )
    model = keras.Sequential(
        [
            keras.Input((4, 4, 2)),
            keras.layers.Lambda(unknown_to_xla),
            convolution,
        ]
    )
    model.compile("sgd", "mse", jit_compile=True)
    images = tf.ones((3, 4, 4, 2))
    batches = tf.data.Dataset.from_tensors((images, images))
    before = model.get_weights()
    failure = compile_ahead(model, black_batch(batches))
    assert "compile" in failure.message
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    # Its kernels are then TensorFlow's, of which one adds in 16 bits.
    assert convolution.in_float32
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


@pytest.mark.slow
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
