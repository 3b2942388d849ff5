"""GELU as GPUs compute it without a NaN."""

import functools

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

    Args:
        x: A tensor.
        approximate: As for `keras.activations.gelu`.
    """
    inner = ops.clip(x, -LIMIT, LIMIT)
    return ops.gelu(inner, approximate) + ops.relu(x - LIMIT)


def with_finite_gelu(operation):
    """An operation that computes the same, without a plain GELU.

    Args:
        operation: A layer, whose activation is replaced; an activation or an
            operation of `keras.ops`.
    """
    gelu = keras.activations.gelu
    if operation is gelu:
        return finite_gelu
    if type(operation).__name__ == "Gelu":
        approximate = operation.approximate
        return functools.partial(finite_gelu, approximate=approximate)
    if getattr(operation, "activation", None) is gelu:
        operation.activation = finite_gelu
    return operation
