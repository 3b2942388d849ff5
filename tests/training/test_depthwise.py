"""How depthwise convolutions are computed in 16 bits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_convmixer import ConvMixer
from keras_convmixer.training.compile import dtype_policy
from keras_convmixer.training.depthwise import convolve_in_float32
from keras_convmixer.training.fast_layers import for_training


def in_float32(policy, kernel_size, **options):
    """Which depthwise convolutions of a trained model are."""
    with dtype_policy(policy):
        stock = ConvMixer(4, 1, kernel_size, 2, input_shape=(8, 8, 3))
        model = for_training(stock, one_cpu=False, **options)
    return {
        layer.in_float32
        for layer in model.layers
        if isinstance(layer, keras.layers.DepthwiseConv2D)
    }


@pytest.mark.parametrize(
    ("policy", "kernel_size", "expected"),
    [
        ("mixed_bfloat16", 7, False),
        ("mixed_float16", 8, True),
        ("mixed_bfloat16", 9, True),
        ("float32", 9, False),
    ],
)
def test_what_cudnn_does_not_compute_is_added_in_32_bits(
    policy, kernel_size, expected
):
    assert in_float32(policy, kernel_size, replicas=1) == {expected}
    # XLA has its own way.
    assert in_float32(policy, kernel_size, replicas=2, xla=True) == {False}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("size", [4, 9])
def test_in_32_bits_results_and_gradients_are_rounded_once(dtype, size):
    random = np.random.default_rng(0)

    def numbers(*shape):
        # All positive, so that sums grow beyond what 16 bits count.
        return tf.cast(random.uniform(0.5, 1, shape), dtype)

    images, upstream = numbers(8, 16, 16, 4), numbers(8, 16, 16, 4)
    kernel = numbers(size, size, 4, 1)
    results = []
    for function, kind in (
        (convolve_in_float32, dtype),
        (lambda x, k: tf.nn.depthwise_conv2d(x, k, [1] * 4, "SAME"), "float64"),
    ):
        sources = [tf.cast(images, kind), tf.cast(kernel, kind)]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            outputs = function(*sources)
        gradients = tape.gradient(outputs, sources, tf.cast(upstream, kind))
        results.append([outputs, *gradients])
    for ours, exact in zip(*results, strict=True):
        assert ours.dtype == dtype
        np.testing.assert_allclose(
            tf.cast(ours, tf.float64), exact, rtol=np.finfo("float16").eps * 8
        )
