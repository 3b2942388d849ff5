"""Training from Python: errors, what they leave, other devices."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_convmixer
from keras_convmixer.data.source import Source
from keras_convmixer.runs import Plan, RunFolder
from keras_convmixer.training.backup import Backup, state_of
from keras_convmixer.training.callbacks import NaNLossError, StopOnNaN
from keras_convmixer.training.compile import compile_for_training
from keras_convmixer.training.fast_layers import for_training
from keras_convmixer.training.recipes import DIGITS
from keras_convmixer.training.train import begin, dtype_policy, finish
from keras_convmixer.utils.checks import UserError
from tests.helpers import slow_cases

SMALL = DIGITS.replace(depth=1, dim=8)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyboardInterrupt("stop"), "stop"),
        (RuntimeError("a NaN of another kind"), "another kind"),
        *slow_cases(
            (tf.errors.ResourceExhaustedError(None, None, "full"), "full")
        ),
    ],
)
def test_errors_reach_a_caller_as_they_are(
    tmp_path, monkeypatch, capsys, error, words
):
    def fit(model, *arguments, **options):
        assert keras.config.dtype_policy().name == "float32"
        raise error

    monkeypatch.setattr(keras.Model, "fit", fit)
    run = str(tmp_path / "run")
    plan = Plan(SMALL, Source("digits"), mixed_precision="float16")
    with pytest.raises(type(error), match=words):
        finish(*begin(plan, run))
    assert keras.config.dtype_policy().name == "float32"
    assert RunFolder(run).read_config().plan.replicas is None
    assert "go on" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["", "missing"])
def test_only_the_folder_of_a_training_is_touched(tmp_path, name):
    with pytest.raises(UserError, match="is not the folder of a training"):
        keras_convmixer.resume(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_another_floatx_is_refused(tmp_path):
    keras.config.set_floatx("float64")
    try:
        with pytest.raises(UserError, match="floatx must be 'float32'"):
            finish(*begin(Plan(SMALL, Source("digits")), tmp_path / "run"))
    finally:
        keras.config.set_floatx("float32")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_nan_or_infinite_is_an_error_of_its_own():
    stop = StopOnNaN()
    stop.on_train_batch_end(0, {"loss": 1.0})
    for loss in (float("nan"), float("inf"), np.float32("nan")):
        with pytest.raises(NaNLossError, match="Try a lower learning_rate"):
            stop.on_train_batch_end(0, {"loss": loss})
    assert issubclass(NaNLossError, UserError)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_backup_fits_any_number_of_replicas(tmp_path, policy):
    """Other devices are trained by other layers, of other names."""
    backup = Backup(tmp_path / "backup.weights.h5")
    states = []
    for replicas, one_cpu in ((1, True), (2, False), (1, False), (1, True)):
        with dtype_policy(policy):
            model = for_training(SMALL.build(10), replicas, one_cpu)
            compile_for_training(model, SMALL, total_steps=4)
        assert backup.restore(model) == (len(states), 0)
        if not states:
            model.optimizer.build(model.trainable_variables)
            for variable in state_of(model):
                values = np.random.default_rng(0).integers(1, 9, variable.shape)
                variable.assign(values.astype(variable.dtype))
        states.append([np.array(variable) for variable in state_of(model)])
        backup.set_model(model)
        backup.save(len(states), 0)
    for state in states[1:]:
        for ours, theirs in zip(state, states[0], strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "policies",
    [("float32", "mixed_float16"), ("mixed_float16", "mixed_bfloat16")],
)
def test_a_backup_fits_any_precision(tmp_path, policies):
    """Only float16 has the variables of a loss scale."""
    backup = Backup(tmp_path / "backup.weights.h5")
    models = []
    for policy in (*policies, policies[0]):
        with dtype_policy(policy):
            model = SMALL.build(10)
            compile_for_training(model, SMALL, total_steps=4)
        backup.restore(model)
        optimizer = model.optimizer
        model.optimizer.build(model.trainable_variables)
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        if not models:
            inner.iterations.assign(7)
        models.append([*model.weights, *inner.variables])
        backup.set_model(model)
        backup.save(1, 0)
    for variables in models[1:]:
        for ours, theirs in zip(variables, models[0], strict=True):
            np.testing.assert_array_equal(np.array(ours), np.array(theirs))
