"""Compiles a model with the paper's optimiser and schedule."""

import contextlib
import itertools

import keras

from keras_convmixer.training.optimizers import (
    AdamW,
    AveragingAdamW,
    LossScaleOptimizer,
)

# The paper's learning rate: share of the training, share of the peak.
SCHEDULE = ((0, 0), (2 / 5, 1), (4 / 5, 1 / 20), (1, 0))


def compile_for_training(model, recipe, total_steps, jit_compile="auto"):
    """Compiles with the paper's optimiser; call it in the strategy's scope.

    AdamW decays kernels only, and the gradient is clipped by the norm of all
    variables together, as in PyTorch.

    Args:
        model: A model that `ConvMixer` built. If it gives logits, the loss is
            computed on them; on probabilities the gradient of a confident
            mistake can be 0.
        recipe: A `Recipe`.
        total_steps: Batches of the whole training.
        jit_compile: As for `keras.Model.compile`.
    """
    options = {}
    if recipe.ema:
        options = {"use_ema": True, "ema_momentum": recipe.ema}
        options["norms"] = [
            layer
            for layer in model.layers
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
    optimizer = (AveragingAdamW if recipe.ema else AdamW)(
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
    """The paper's learning rate, piecewise linear over the whole training.

    Args:
        peak: Highest learning rate.
        total_steps: Steps of the whole training.
    """

    def __init__(self, peak, total_steps):
        self.peak = peak
        self.total_steps = total_steps

    def __call__(self, step):
        # The middle of a step, so that none has a rate of zero.
        progress = (keras.ops.cast(step, "float32") + 0.5) / self.total_steps
        share = 0
        for (left, low), (right, high) in itertools.pairwise(SCHEDULE):
            part = keras.ops.clip((progress - left) / (right - left), 0.0, 1.0)
            share += (high - low) * part
        return self.peak * share

    def get_config(self):
        return {"peak": self.peak, "total_steps": self.total_steps}
