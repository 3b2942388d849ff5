"""AdamW as PyTorch has it, and with an average of what it trains."""

import itertools

import keras
from keras import ops


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

    The average is over a tenth of the steps behind it at most, as timm's and
    TensorFlow's own. Keras' is not: the random weights of the beginning weigh
    most in it for as many steps as it is meant to be over.

    Args:
        norms: The `keras.layers.BatchNormalization` of the model, whose
            statistics go with the weights.
        options: As for `keras.optimizers.AdamW`, with `use_ema=True`.
    """

    def __init__(self, norms, **options):
        super().__init__(**options)
        self.norms = norms

    def build(self, variables):
        super().build(variables)
        # A variable of the optimizer, so that a backup holds it.
        self.averaged_statistics = self.add_variable(
            shape=ops.shape(self.statistics()), name="averaged_statistics"
        )

    @property
    def ema_momentum(self):
        """The share of the average that the next step keeps."""
        return self.share_kept(self.iterations)

    @ema_momentum.setter
    def ema_momentum(self, value):
        self.most_kept = value

    def share_kept(self, steps):
        steps = ops.cast(steps, "float32")
        return ops.minimum(self.most_kept, steps / (9 + steps))

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
        """Takes the statistics that a step left into their average."""
        kept = self.share_kept(self.iterations - 1)
        self.averaged_statistics.assign(
            kept * self.averaged_statistics + (1 - kept) * self.statistics()
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
