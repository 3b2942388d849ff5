"""The layers that are trained compute what the stock ones do."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_convmixer import ConvMixer
from keras_convmixer.features import freeze
from keras_convmixer.training.fast_layers import (
    for_training,
    gelu,
    kernel_gradient,
)
from tests.helpers import randomize_norms


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 9, 15])
def test_gradient_of_a_depthwise_kernel(size):
    random = np.random.default_rng(size)
    images, upstream = (
        tf.constant(random.normal(size=(3, 10, 7, 4)), tf.float32)
        for _ in range(2)
    )
    kernel = tf.Variable(tf.zeros((size, size, 4, 1)))
    with tf.GradientTape() as tape:
        result = tf.nn.depthwise_conv2d(images, kernel, [1] * 4, "SAME")
        loss = tf.reduce_sum(result * upstream)
    np.testing.assert_allclose(
        kernel_gradient(images, upstream, size),
        tape.gradient(loss, kernel),
        rtol=1e-4,
        atol=1e-4,
    )


def test_gradient_of_gelu():
    x = tf.linspace(-6.0, 6.0, 1001)
    gradients = []
    for function in (keras.activations.gelu, gelu):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        gradients.append(tape.gradient(y, x))
    np.testing.assert_allclose(*gradients, atol=1e-6)
    np.testing.assert_allclose(gelu(x), keras.activations.gelu(x), atol=1e-6)


@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("kernel_size", [4, 7])
@pytest.mark.parametrize("frozen", [None, 1])
def test_a_step_changes_what_it_changes_in_the_stock_model(
    activation, kernel_size, frozen
):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (16, 16, 16, 3)).astype("float32")
    labels = np.eye(5)[random.integers(0, 5, 16)]
    keras.utils.set_random_seed(0)
    stock = ConvMixer(
        *(8, 2, kernel_size, 2, activation),
        input_shape=(16, 16, 3),
        classes=5,
    )
    randomize_norms(stock)
    if frozen is not None:
        freeze(stock, frozen)
    fast = for_training(stock, 1, one_cpu=True)
    for model in (stock, fast):
        model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
        model.fit(images, labels, 16, epochs=3, shuffle=False, verbose=0)
    for ours, theirs in zip(
        fast.get_weights(), stock.get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        fast.predict(images, verbose=0),
        stock.predict(images, verbose=0),
        atol=1e-4,
    )
