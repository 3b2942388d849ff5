"""Two options of a training do together what each of them does alone."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_convmixer.data.source import Source
from keras_convmixer.features import freeze
from keras_convmixer.runs import Plan
from keras_convmixer.training.callbacks import AveragedWeights
from keras_convmixer.training.compile import OneCycle
from keras_convmixer.training.devices import distribute
from keras_convmixer.training.recipes import DIGITS
from keras_convmixer.training.train import prepare
from keras_convmixer.utils.checks import UserError
from tests.helpers import slow_except, unbalanced
from tests.processes import run_command

STEPS = 2
OPTIONS = {
    "float16": {"mixed_precision": "float16"},
    "bfloat16": {"mixed_precision": "bfloat16"},
    "ema": {"ema": 0.9},
    "accumulation": {"accumulation": 2},
    "freeze": {"freeze": 0},
    "class weights": {"class_weights": "balanced"},
    "mixing": {"mixup": 0.5, "cutmix": 0.5},
}
PAIRS = [
    pair
    for pair in itertools.combinations(OPTIONS, 2)
    if pair != ("float16", "bfloat16")
]
# Where a step takes longest to compile, all options at once. Accumulation is
# refused there.
ON_TWO_REPLICAS = [
    (precision, "ema", "freeze", "class weights", "mixing")
    for precision in ("float16", "bfloat16")
]
# Of the whole change of the weights.
TOLERANCES = {"float16": 0.1, "bfloat16": 0.1}


def plan_of(names, **changes):
    for name in names:
        changes |= OPTIONS[name]
    options = {
        name: changes.pop(name)
        for name in ("mixed_precision", "freeze", "class_weights", "replicas")
        if name in changes
    }
    recipe = DIGITS.replace(
        dim=8,
        depth=1,
        kernel_size=3,
        activation="relu",
        patch_size=2,
        batch_size=8,
        epochs=1,
        # With a smaller one, AdamW turns rounding into steps of full length.
        epsilon=1.0,
        learning_rate=1.0,
        **changes,
    )
    steps = STEPS * recipe.accumulation
    return Plan(recipe, Source("digits"), limit_steps=steps, **options)


def prepared(plan):
    return prepare(plan, lambda: unbalanced([6, 12, 22]))


def fit(training, batches):
    """All weights after each batch, and those that are evaluated."""
    model, after_batches, evaluations = training.model, [], []
    record = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: after_batches.append(
            model.get_weights()
        ),
        on_test_end=lambda logs: evaluations.append(model.get_weights()),
    )
    ema, evaluated = training.plan.recipe.ema, None
    if ema:
        evaluated = training.devices.data(training.held_out_batches)
    model.fit(
        batches,
        validation_data=evaluated,
        steps_per_epoch=training.steps,
        shuffle=False,
        verbose=0,
        callbacks=[
            keras.callbacks.TerminateOnNaN(raise_error=True),
            *([record, AveragedWeights()] if ema else [record]),
        ],
    )
    return after_batches, evaluations[-1] if ema else model.get_weights()


def reference(plan, batches):
    """The stock model in float32, its weights before and after each step."""
    recipe = plan.recipe
    keras.utils.set_random_seed(plan.seed)
    model = recipe.build(3)
    if plan.freeze is not None:
        freeze(model, plan.freeze)
    optimizer = keras.optimizers.AdamW(
        weight_decay=recipe.weight_decay,
        epsilon=recipe.epsilon,
        global_clipnorm=1.0,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    count = STEPS * recipe.accumulation
    schedule = OneCycle(recipe.learning_rate, count)
    variables = model.trainable_variables
    weights, total = [model.get_weights()], 0
    for index, (images, labels, *weight) in enumerate(batches.take(count)):
        with tf.GradientTape() as tape:
            probabilities = model(images, training=True)
            losses = -tf.reduce_sum(labels * tf.math.log(probabilities), -1)
            loss = tf.reduce_mean(losses * weight[0] if weight else losses)
        total += np.array(
            [
                np.ravel(gradient)
                for gradient in tape.gradient(
                    loss, [variable.value for variable in variables]
                )
            ],
            dtype=object,
        )
        if (index + 1) % recipe.accumulation == 0:
            optimizer.learning_rate = float(schedule(index))
            optimizer.apply(
                [
                    tf.reshape(g.astype("float32"), v.shape)
                    for g, v in zip(
                        total / recipe.accumulation, variables, strict=True
                    )
                ],
                variables,
            )
            weights.append(model.get_weights())
            total = 0
    return model, weights


def check(names, plan, batches, after_batches, last):
    model, (before, *expected) = reference(plan, batches)
    each = plan.recipe.accumulation
    steps = after_batches[each - 1 :: each]
    assert len(steps) == len(expected) == STEPS
    is_trained = [variable.trainable for variable in model.weights]
    is_statistic = ["moving" in variable.path for variable in model.weights]
    tolerance = max(TOLERANCES.get(name, 1e-3) for name in names)

    def chosen(weights, choice):
        return np.concatenate(
            [np.ravel(w) for w in itertools.compress(weights, choice)]
        )

    for choice in (is_trained, is_statistic):
        for ours, theirs in zip(steps, expected, strict=True):
            change = chosen(theirs, choice) - chosen(before, choice)
            difference = chosen(ours, choice) - chosen(theirs, choice)
            assert np.linalg.norm(change) > 0
            assert np.linalg.norm(difference) <= (
                tolerance * np.linalg.norm(change)
            )
    for variable, old, new in zip(model.weights, before, steps[1], strict=True):
        if variable.path.startswith("normalization"):
            continue
        is_frozen = plan.freeze is not None and variable.path.startswith("stem")
        assert np.array_equal(old, new) == is_frozen, variable.path
    # Gradients that are being accumulated change no weight.
    for index, weights in enumerate(after_batches):
        if (index + 1) % each:
            latest = ([before, *steps])[index // each]
            np.testing.assert_array_equal(
                chosen(weights, is_trained), chosen(latest, is_trained)
            )
    if plan.recipe.ema:
        # Of two steps, the average has the first with a share of a tenth.
        steps[1] = [
            0.1 * first + 0.9 * second if trained or statistic else second
            for first, second, trained, statistic in zip(
                *steps, is_trained, is_statistic, strict=True
            )
        ]
    for ours, theirs in zip(last, steps[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "names",
    slow_except(PAIRS, ("ema", "accumulation")),
    ids=" and ".join,
)
def test_two_options(names):
    plan = plan_of(names)
    training = prepared(plan)
    # To compile a step takes most of the time; here conditions are nested.
    is_compiled = names == ("float16", "accumulation")
    training.model.run_eagerly = not is_compiled
    check(names, plan, training.batches(), *fit(training, training.batches()))
    assert keras.config.dtype_policy().name == "float32"


@pytest.fixture(scope="module")
def two_replicas(tmp_path_factory):
    """The folder of what `train_on_two_replicas` writes."""
    folder = tmp_path_factory.mktemp("two_replicas")
    for number in range(len(ON_TWO_REPLICAS)):
        # TensorFlow has the strategy of one training in a process only.
        run_command(
            "-c",
            "import sys\n"
            f"from {__name__} import train_on_two_replicas\n"
            "train_on_two_replicas(int(sys.argv[1]), sys.argv[2])",
            *(number, folder),
        )
    return folder


def train_on_two_replicas(number, folder):
    names = ON_TWO_REPLICAS[number]
    training = prepared(plan_of(names, replicas=2))
    results = overflows(training) if "float16" in names else {}
    after_batches, last = fit(training, training.batches())
    for index, weights in enumerate([*after_batches, last]):
        results |= {f"{index} {i}": w for i, w in enumerate(weights)}
    np.savez(f"{folder}/{names[0]}.npz", **results)


def overflows(training):
    """The loss scale, and whether weights changed, after two bad batches.

    In each, the gradients of one replica overflow.
    """
    model, changes, scales = training.model, [], []
    is_trained = [variable.trainable for variable in model.weights]
    before = model.get_weights()
    for replica in range(2):
        images, labels, weights = next(iter(training.batches()))
        part = np.arange(8) // 4 == replica
        weights = tf.where(part, 1e7 * weights, weights)
        batch = tf.data.Dataset.from_tensors((images, labels, weights))
        (first, *_), last = fit(training, batch.repeat())
        for after in (first, last):
            changes.append(
                [
                    (old != new).any()
                    for old, new in itertools.compress(
                        zip(before, after, strict=True), is_trained
                    )
                ]
            )
        scale = model.optimizer.dynamic_scale
        scales.append(keras.ops.convert_to_numpy(scale))
    model.set_weights(before)  # The statistics of the norms have moved.
    return {"changes": np.array(changes), "scales": np.array(scales)}


@pytest.mark.slow
@pytest.mark.parametrize("names", ON_TWO_REPLICAS, ids=" and ".join)
def test_all_options_on_two_replicas(names, two_replicas):
    results = np.load(two_replicas / f"{names[0]}.npz")
    plan = plan_of(names)
    count = len(plan.recipe.build(3).weights)
    *after_batches, last = [
        [results[f"{index} {i}"] for i in range(count)]
        for index in range(STEPS + 1)
    ]
    batches = prepared(plan).batches()
    check(names, plan, batches, after_batches, last)


@pytest.mark.slow
def test_an_overflow_on_any_replica_skips_the_step_on_all(two_replicas):
    results = np.load(two_replicas / "float16.npz")
    assert not results["changes"].any()
    # Two batches on the first replica, then two on the second.
    np.testing.assert_array_equal(results["scales"], [2.0**13, 2.0**11])


def test_accumulation_on_several_replicas_is_refused():
    with pytest.raises(UserError, match="with one replica only"):
        distribute(2, 8, accumulation=2)
