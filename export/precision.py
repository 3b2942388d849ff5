"""Full float32 on every GPU: the Keras model that files are compared with."""

import contextlib


@contextlib.contextmanager
def full_float32():
    """Turns TF32 off and afterwards back on, also as a decorator.

    On GPUs since Ampere TensorFlow multiplies float32 matrices in TF32, with
    10 bits for the mantissa. The reference, the ranges and the fitted kernels
    of a file would be less exact there than on a CPU.
    """
    from tensorflow import config

    before = config.experimental.tensor_float_32_execution_enabled()
    config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        config.experimental.enable_tensor_float_32_execution(before)
