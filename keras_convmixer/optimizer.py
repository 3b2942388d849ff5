"""The paper's optimiser and its schedule."""

import keras


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


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """The paper's learning rate, piecewise linear over the whole training.

    It passes through (0, 0), (2/5, peak), (4/5, peak / 20) and (1, 0).

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
        rise = progress / (2 / 5)
        fall = 1 - (progress - 2 / 5) / (2 / 5) * (1 - 1 / 20)
        end = (1 - progress) / (1 / 5) / 20
        rate = keras.ops.minimum(rise, keras.ops.maximum(fall, end))
        return self.peak * keras.ops.maximum(rate, 0.0)

    def get_config(self):
        return {"peak": self.peak, "total_steps": self.total_steps}
