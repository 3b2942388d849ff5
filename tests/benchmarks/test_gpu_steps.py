"""How the steps of the benchmark on a GPU are computed."""

import keras
import numpy as np
import tensorflow as tf

from benchmarks.gpu.steps import CUDNN, DEPTHWISE, use_cudnn
from keras_convmixer import ConvMixer
from keras_convmixer.training.compile import dtype_policy
from keras_convmixer.training.fast_layers import for_training


def test_the_labelled_kernels_are_those_of_cudnn():
    """They are for GPUs only: here the operations are looked at."""
    with dtype_policy("mixed_bfloat16"):
        stock = ConvMixer(4, 1, 9, 2, input_shape=(8, 8, 3), classes=5)
        model = for_training(stock, 1, one_cpu=False)
        model.compile("sgd", "categorical_crossentropy")
    use_cudnn(model)
    batch = keras.tree.map_structure(
        tf.constant, (np.zeros((2, 8, 8, 3), "float32"), np.eye(5)[:2])
    )
    step = tf.function(lambda: model.train_step(batch), autograph=False)
    labels = {
        operation.type: operation.node_def.attr["_kernel"].s.decode()
        for operation in step.get_concrete_function().graph.get_operations()
        if operation.type in DEPTHWISE
    }
    assert labels == dict.fromkeys(DEPTHWISE, CUDNN)
