"""What converters other than TensorFlow's own need of a SavedModel."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from export.writers import write_saved_model
from keras_convmixer import ConvMixer
from tests.helpers import randomize_norms


@pytest.fixture(scope="module")
def network():
    """With a GELU in a head of its own, as a layer and as an operation."""
    x = keras.Input((16, 16, 3))
    y = ConvMixer(8, 1, 7, 4, include_top=False, pooling="avg")(x)
    y = keras.ops.gelu(layers.Dense(4, activation="gelu")(y), False)
    return keras.Model(x, layers.Dense(3, activation="softmax")(y))


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory):
    randomize_norms(network)
    path = tmp_path_factory.mktemp("model") / "saved_model"
    write_saved_model(network, path)
    return tf.saved_model.load(path)


def test_it_has_one_signature(saved, network, images):
    """coremltools refuses a SavedModel of several."""
    assert list(saved.signatures) == ["serving_default"]
    serve = saved.signatures["serving_default"]
    ((), inputs) = serve.structured_input_signature
    assert inputs["image"].dtype == tf.uint8
    assert inputs["image"].shape.as_list() == [None, 16, 16, 3]
    np.testing.assert_allclose(
        serve(image=tf.constant(images))["probabilities"],
        network.predict(images, verbose=0),
        atol=1e-5,
    )


def test_every_gelu_is_of_operators_that_converters_know(saved):
    """Neither coremltools nor TensorFlow.js has `Erfc`."""
    graph = saved.signatures["serving_default"].graph.as_graph_def()
    nodes = [
        *graph.node,
        *(n for f in graph.library.function for n in f.node_def),
    ]
    kinds = [node.op for node in nodes]
    assert kinds.count("Erf") == 5
    assert "Erfc" not in kinds
