"""How ranges and kernels are fitted to eight bits."""

import keras
import numpy as np
import pytest

from export.int8.fit import fit_kernel, without_flat_ends


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gelu", (-3.4, 12)),
        ("relu", (0, 12)),
        ("relu6", (0, 6)),
        ("tanh", (-4.6, 4.6)),
        ("linear", (-8, 12)),
        ("leaky_relu", (-8, 12)),
    ],
)
def test_ranges_end_where_the_activation_is_constant(name, expected):
    limits = without_flat_ends(keras.layers.Activation(name), -8.0, 12.0)
    np.testing.assert_allclose(limits, expected, atol=0.05)


def test_a_range_where_the_activation_is_constant_is_kept():
    relu = keras.layers.Activation("relu")
    assert without_flat_ends(relu, -8.0, 0.0) == (-8.0, 0.0)


def pointwise(channels, filters):
    layer = keras.layers.Conv2D(filters, kernel_size=1)
    layer.build((None, None, None, channels))
    return layer


def test_a_kernel_makes_up_for_rounded_inputs():
    """Of channels that tell the same, one that is hardly rounded counts."""
    random = np.random.default_rng(0)
    layer = pointwise(channels=8, filters=5)
    exact = np.repeat(random.normal(size=(20, 6, 6, 4)), 2, -1)
    noise = random.normal(size=exact.shape) * np.tile([0.5, 0.05], 4)
    inputs = np.float32(exact + noise)
    outputs = np.asarray(layer(np.float32(exact)))
    before = np.square(layer(inputs) - outputs).mean()
    fit_kernel(layer, inputs, outputs)
    assert np.square(layer(inputs) - outputs).mean() < 0.1 * before


@pytest.mark.parametrize("value", [0, 3.3])
def test_inputs_that_tell_nothing_leave_the_kernel(value):
    layer = pointwise(channels=8, filters=5)
    kernel, bias = layer.get_weights()
    inputs = np.full((20, 6, 6, 8), value, "float32")
    fit_kernel(layer, inputs, outputs=np.asarray(layer(inputs)) + 1)
    np.testing.assert_allclose(layer.get_weights()[0], kernel, atol=1e-5)
    np.testing.assert_array_equal(layer.get_weights()[1], bias)
