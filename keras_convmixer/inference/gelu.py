"""GELU as GPUs and as other converters compute it: the same function."""

import functools
import math

import keras
from keras import ops

# From here on GELU is the identity to 1e-8, or 0 to 1e-7 on the other side. The
# exponential of its tanh is just below the largest number in half precision,
# which GPUs of phones compute in; in float32 it overflows from about 12 on.
LIMIT = 5.6


def finite_gelu(x, approximate=False):
    """GELU, of which only what lies between the limits is computed as such.

    GPUs compute the tanh in their GELU from exponentials, which overflow: the
    GELU of 16 is NaN in a browser.
    """
    inner = ops.clip(x, -LIMIT, LIMIT)
    return ops.gelu(inner, approximate) + ops.relu(x - LIMIT)


def erf_gelu(x, approximate=False):
    """GELU through the error function, in the form that converters know.

    TensorFlow computes it through the complement, `Erfc`, for which
    coremltools and TensorFlow.js have no operator. coremltools makes one GELU
    of this form.
    """
    if approximate:
        return ops.gelu(x, approximate)
    return 0.5 * x * (1 + ops.erf(x / math.sqrt(2)))


def with_gelu(operation, gelu):
    """An operation that computes the same, with another form of GELU.

    It may be a layer, whose activation is replaced, an activation, or an
    operation of `keras.ops`. If `gelu` is None, it is returned unchanged.
    """
    if gelu is None:
        return operation
    if operation is keras.activations.gelu:
        return gelu
    if type(operation).__name__ == "Gelu":
        return functools.partial(gelu, approximate=operation.approximate)
    if getattr(operation, "activation", None) is keras.activations.gelu:
        operation.activation = gelu
    return operation
