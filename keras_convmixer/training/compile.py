"""Compiles a model with the paper's optimiser and schedule.

AdamW is as in PyTorch, with averaged weights, and loss scaling for float16.
"""

import contextlib
import itertools

import keras
import tensorflow as tf
from keras import ops

# The paper's learning rate: share of the training, share of the peak.
SCHEDULE = ((0, 0), (2 / 5, 1), (4 / 5, 1 / 20), (1, 0))


def compile_for_training(model, recipe, total_steps, jit_compile="auto"):
    """Compiles with the paper's optimiser; call it in the strategy's scope.

    AdamW decays kernels only, and the gradient is clipped by the norm of all
    variables together, as in PyTorch. A model that gives logits has its loss
    computed on them: on probabilities the gradient of a confident mistake can
    be 0. `total_steps` are the batches of the whole training.
    """
    kind, options = AdamW, {}
    if recipe.ema:
        norms = [
            layer
            for layer in model.layers
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        kind = AveragingAdamW
        options = {
            "norms": norms,
            "use_ema": True,
            "ema_momentum": recipe.ema,
        }
    optimizer = kind(
        learning_rate=OneCycle(recipe.learning_rate, total_steps),
        weight_decay=recipe.weight_decay,
        epsilon=recipe.epsilon,
        global_clipnorm=1.0,
        gradient_accumulation_steps=(
            recipe.accumulation if recipe.accumulation > 1 else None
        ),
        **options,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    if model.dtype_policy.name == "mixed_float16":
        optimizer = LossScaleOptimizer(optimizer)
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=model.layers[-1].activation is keras.activations.linear,
            label_smoothing=recipe.label_smoothing,
        ),
        # Weighted, since held-out batches can be filled up.
        weighted_metrics=["accuracy"],
        jit_compile=jit_compile,
    )


@contextlib.contextmanager
def dtype_policy(name):
    """Keras' dtype policy within it, for the layers that are built there."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """The paper's learning rate, piecewise linear over the whole training."""

    def __init__(self, peak, total_steps):
        self.peak = peak
        self.total_steps = total_steps

    def __call__(self, step):
        # The middle of a step, so that none has a rate of zero.
        progress = (ops.cast(step, "float32") + 0.5) / self.total_steps
        share = 0
        for (left, low), (right, high) in itertools.pairwise(SCHEDULE):
            part = ops.clip((progress - left) / (right - left), 0.0, 1.0)
            share += (high - low) * part
        return self.peak * share

    def get_config(self):
        return {"peak": self.peak, "total_steps": self.total_steps}


class LossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Skips a step on all replicas if the gradients of one have overflowed.

    Keras checks those of the first replica only. The infinite gradients of
    another one would make all weights NaN.
    """

    def check_finite(self, grads):
        # The squared norm, which clipping needs to be finite as well.
        squares = sum(ops.sum(ops.square(g)) for g in grads if g is not None)
        if keras.backend.backend() == "tensorflow":
            squares = tf.distribute.get_replica_context().all_reduce(
                tf.distribute.ReduceOp.SUM, squares
            )
        return ops.isfinite(squares)


class AdamW(keras.optimizers.AdamW):
    """Clips the gradient of the whole batch, however many replicas there are.

    With TensorFlow, Keras clips each replica's gradient before it adds them
    up, so that a training with several is not that with one.
    """

    def _clip_gradients(self, grads):
        if keras.backend.backend() == "tensorflow":
            return grads
        return super()._clip_gradients(grads)

    def _all_reduce_sum_gradients(self, grads_and_vars):
        reduced = super()._all_reduce_sum_gradients(grads_and_vars)
        grads, variables = zip(*reduced, strict=True)
        return list(zip(super()._clip_gradients(grads), variables, strict=True))


class AveragingAdamW(AdamW):
    """Keeps an average of the weights, and of the norms' statistics.

    After n steps the average covers about the last tenth of them at most, as in
    timm and TensorFlow 1. With Keras' constant momentum the random initial
    weights would dominate it for as many steps as it covers. Steps are the
    optimizer's: with gradient accumulation, one takes several batches.

    Args:
        norms: The `keras.layers.BatchNormalization` of the model, whose
            statistics go with the weights.
        options: As for `keras.optimizers.AdamW`, with `use_ema=True`.
    """

    def __init__(self, norms, **options):
        super().__init__(**options)
        self.norms = norms

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        # A variable of the optimizer, so that a backup holds it.
        self.averaged_statistics = self.add_variable(
            shape=ops.shape(self.statistics()), name="averaged_statistics"
        )
        # Until the first step, which float16 may skip, not zeros.
        self.averaged_statistics.assign(self.statistics())
        for average, variable in zip(
            self._model_variables_moving_average, variables, strict=True
        ):
            average.assign(ops.copy(variable))  # JAX must not share memory.

    @property
    def ema_momentum(self):
        """The share of the average that this batch keeps, for Keras."""
        batches = self.gradient_accumulation_steps or 1
        completes_step = (self._iterations + 1) % batches == 0
        return ops.where(
            completes_step, self.momentum_after(self.iterations), 1.0
        )

    @ema_momentum.setter
    def ema_momentum(self, value):
        self.max_momentum = value

    def momentum_after(self, steps):
        """The share of the average that the step after so many keeps."""
        steps = ops.cast(steps, "float32")
        return ops.minimum(self.max_momentum, steps / (9 + steps))

    def statistics(self):
        """Those of all norms, one after the other: float32 `(N,)`."""
        return ops.concatenate([ops.convert_to_tensor(v) for v in self.moving])

    @property
    def moving(self):
        """The variables of the statistics."""
        return [
            variable
            for norm in self.norms
            for variable in (norm.moving_mean, norm.moving_variance)
        ]

    def average_statistics(self):
        """Updates the average of the statistics; call it after each step."""
        momentum = self.momentum_after(self.iterations - 1)
        self.averaged_statistics.assign(
            momentum * self.averaged_statistics
            + (1 - momentum) * self.statistics()
        )

    def finalize_variable_values(self, var_list):
        """Sets the weights and the statistics to their averages."""
        super().finalize_variable_values(var_list)
        if keras.backend.backend() == "jax":
            # It shares memory with the average, which evaluation gives away.
            for variable in var_list:
                variable.assign(ops.copy(variable))
        sizes = [variable.shape[0] for variable in self.moving]
        ends = list(itertools.accumulate(sizes))[:-1]
        averages = ops.split(
            ops.convert_to_tensor(self.averaged_statistics), ends
        )
        for variable, average in zip(self.moving, averages, strict=True):
            variable.assign(average)
