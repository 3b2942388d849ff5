"""GELU as GPUs and other converters compute it: the same function."""

import math
from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import layers

from export.tflite import convert
from keras_convmixer import ConvMixer
from keras_convmixer.inference.gelu import LIMIT, erf_gelu, finite_gelu
from tests.helpers import operators, outputs


def anywhere():
    """Numbers from -10,000 to 10,000, and those around the limits."""
    random = np.random.default_rng(0)
    sizes = 10 ** random.uniform(-4, 4, 5000)
    limits = np.float32([-LIMIT, LIMIT])
    near = [np.nextafter(limits, -np.inf), limits, np.nextafter(limits, np.inf)]
    x = np.concatenate([-sizes, [-1e4, 0, 1e4], *near, sizes])
    return np.float32(x)


# The sum 1 + erf(x) has a few last bits of 1 below zero, times x.
OF_ERF = 1e-6


@pytest.mark.parametrize(
    ("gelu", "atol"), [(finite_gelu, 3e-7), (erf_gelu, OF_ERF)]
)
def test_is_gelu(gelu, atol):
    x = anywhere()
    exact = [0.5 * v * math.erfc(-v / math.sqrt(2)) for v in np.float64(x)]
    y = keras.ops.convert_to_numpy(gelu(x))
    # The sum 1 + erf(x) has as much left of its last bit below zero.
    np.testing.assert_allclose(y, exact, rtol=1e-6, atol=atol)
    assert np.isfinite(y).all()


@pytest.mark.parametrize(
    ("gelu", "atol"), [(finite_gelu, 1e-7), (erf_gelu, OF_ERF)]
)
@pytest.mark.parametrize("approximate", [False, True])
def test_is_the_gelu_of_keras(gelu, atol, approximate):
    x = anywhere()
    np.testing.assert_allclose(
        gelu(x, approximate),
        keras.activations.gelu(x, approximate),
        rtol=1e-6,
        atol=atol,
    )


def test_every_gelu_of_a_network_is_limited():
    """Also those of an own head, however they are written."""
    x = keras.Input((16, 16, 3))
    y = ConvMixer(8, 1, 3, 4, include_top=False, pooling="avg")(x)
    y = layers.Dense(4, activation="gelu")(40 * y)
    y = keras.ops.gelu(y, approximate=True) + keras.ops.gelu(2 * y, False)
    model = keras.Model(x, layers.Activation(keras.activations.gelu)(y))
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3))
    expected = model.predict(np.uint8(images), verbose=0)
    assert expected.max() > LIMIT
    contents = convert(model, "gpu")
    names = operators(contents)
    assert names.count("GELU") == 7
    pairs = list(pairwise(names))
    assert pairs.count(("MAXIMUM", "GELU")) == names.count("GELU")
    np.testing.assert_allclose(
        # What is as good as 0 rounds to 0 on some processors.
        outputs(contents, images),
        expected,
        rtol=0.01,
        atol=1e-6,
    )
