"""How depthwise convolutions are computed in 16 bits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_convmixer import ConvMixer
from keras_convmixer.training.compile import dtype_policy
from keras_convmixer.training.depthwise import (
    CUDNN,
    OPERATIONS,
    choose_way,
    convolution,
)
from keras_convmixer.training.fast_layers import for_training
from keras_convmixer.utils.checks import UserError


def ways(policy, kernel_size, **options):
    """Those of the depthwise convolutions of a trained model."""
    with dtype_policy(policy):
        stock = ConvMixer(4, 1, kernel_size, 2, input_shape=(8, 8, 3))
        model = for_training(stock, one_cpu=False, **options)
    return {
        getattr(layer, "way", None)
        for layer in model.layers
        if isinstance(layer, keras.layers.DepthwiseConv2D)
    }


@pytest.mark.parametrize(
    ("policy", "kernel_size", "way"),
    [
        ("mixed_bfloat16", 7, "stock"),
        ("mixed_float16", 8, "float32"),
        ("mixed_bfloat16", 9, "float32"),
        ("float32", 9, "stock"),
    ],
)
def test_what_cudnn_does_not_compute_is_added_in_32_bits(
    policy, kernel_size, way
):
    assert ways(policy, kernel_size, replicas=1) == {way}
    # XLA has its own way.
    assert ways(policy, kernel_size, replicas=2, xla=True) == {"stock"}


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
        (convolution("float32"), dtype),
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


def test_the_labelled_kernels_are_those_of_cudnn():
    """They are for GPUs only: here the operations are looked at."""

    @tf.function
    def gradients(images, kernel):
        result = convolution("cudnn")(images, kernel)
        return tf.gradients(result, [images, kernel])

    graph = gradients.get_concrete_function(
        tf.TensorSpec((2, 8, 8, 4), tf.float16),
        tf.TensorSpec((9, 9, 4, 1), tf.float16),
    ).graph
    labels = {
        operation.type: operation.node_def.attr["_kernel"].s.decode()
        for operation in graph.get_operations()
        if operation.type in OPERATIONS
    }
    assert labels == dict.fromkeys(OPERATIONS, CUDNN)


def test_another_way_is_refused():
    with pytest.raises(UserError, match="way must be one of 'stock', 'float32"):
        choose_way(keras.Sequential(), "float64")
