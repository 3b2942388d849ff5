"""The layers that are trained compute what the stock ones do."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.study.changes import changed_network
from keras_convmixer import ConvMixer
from keras_convmixer.features import freeze
from keras_convmixer.training.fast_layers import depthwise, for_training
from keras_convmixer.training.gelu_norm import gelu, gelu_norm
from keras_convmixer.variants import parse_variant
from tests.helpers import randomize_norms, slow_except


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 9, 15])
@pytest.mark.parametrize("count", [3, 16])
def test_gradients_of_a_depthwise_convolution(size, count):
    random = np.random.default_rng(size)
    images, upstream = (
        tf.constant(random.normal(size=(count, 10, 7, 4)), tf.float32)
        for _ in range(2)
    )
    kernel = tf.constant(random.normal(size=(size, size, 4, 1)), tf.float32)
    bias = tf.zeros(4)

    def stock(images, kernel, bias):
        return tf.nn.depthwise_conv2d(images, kernel, [1] * 4, "SAME") + bias

    gradients = []
    for function in (depthwise, stock):
        with tf.GradientTape() as tape:
            tape.watch([images, kernel, bias])
            result = function(images, kernel, bias)
        gradients.append(
            tape.gradient(result, [images, kernel, bias], upstream)
        )
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


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


@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 7), (11, 11)])
def test_gradients_of_gelu_and_norm(height, width):
    random = np.random.default_rng(0)
    shape = (6, height, width, 4)
    x = random.normal(-1, [0.1, 0.3, 1, 3], shape)
    upstream = random.normal(size=shape)
    scale, offset = random.normal(size=(2, 4))

    def stock(x, scale, offset, epsilon):
        y = keras.activations.gelu(x)
        mean, variance = tf.nn.moments(y, [0, 1, 2])
        return tf.nn.batch_normalization(
            y, mean, variance, offset, scale, epsilon
        ), (mean, variance)

    results = []
    for function, dtype in ((gelu_norm, "float32"), (stock, "float64")):
        sources = [tf.constant(value, dtype) for value in (x, scale, offset)]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            outputs, *moments = function(*sources, 1e-5)
        gradients = tape.gradient(
            outputs, sources, tf.constant(upstream, dtype)
        )
        results.append([outputs, *tf.nest.flatten(moments), *gradients])
    for ours, exact in zip(*results, strict=True):
        np.testing.assert_allclose(ours, exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", slow_except(["gelu", "relu"], "gelu"))
@pytest.mark.parametrize("kernel_size", slow_except([4, 7], 7))
@pytest.mark.parametrize("frozen", slow_except([None, 1], 1))
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


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_sixteen_bits_on_a_cpu_are_those_of_pointwise_convolutions(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = ConvMixer(8, 2, 5, 2, input_shape=(16, 16, 3), classes=5)
    finally:
        keras.config.set_dtype_policy("float32")
    fast = for_training(model, 1, one_cpu=True)
    policies = {layer.name: layer.dtype_policy.name for layer in fast.layers}
    sixteen = {n for n, p in policies.items() if p == policy}
    assert sixteen == {"block_0_pointwise", "block_1_pointwise"}
    assert set(policies.values()) == {policy, "float32"}
    image = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3))
    exact = ConvMixer(8, 2, 5, 2, input_shape=(16, 16, 3), classes=5)
    exact.set_weights(model.get_weights())
    np.testing.assert_allclose(fast(image), exact(image), atol=0.02)


@pytest.mark.parametrize(
    "change", ["no residual", "norm in front", "LayerNorm", "no depthwise"]
)
def test_other_networks_compute_what_they_did(change):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (4, 16, 16, 3)).astype("float32")
    variant = dataclasses.replace(
        parse_variant("8/2/k5/p2"), image_size=16, classes=5
    )
    stock = changed_network(variant, change)
    fast = for_training(stock, 1, one_cpu=True)
    for training in (False, True):
        np.testing.assert_allclose(
            fast(images, training=training),
            stock(images, training=training),
            atol=1e-5,
        )
