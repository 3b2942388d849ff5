"""The private internals of Keras and LiteRT behave as the package assumes.

A failure here after an upgrade means that the function of compat.py needs the
new internals: `keras/src/ops/node.py` and `function.py` in the sources of
Keras for the graph, `ai_edge_litert/interpreter.py` for the operators. A
failure elsewhere with these tests green has another cause.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from export.tflite import convert
from keras_convmixer import ConvMixer, compat
from tests.helpers import interpreter
from tests.processes import run_python


@pytest.fixture
def graph():
    """Two inputs of an `Add`, one of them a layer that is called twice."""
    image = keras.Input((4,), name="image")
    shared = layers.Dense(4, name="shared")
    once = shared(image)
    twice = shared(once)
    total = layers.Add(name="total")([twice, image])
    return keras.Model(image, keras.ops.split(total, 2, axis=-1))


def test_calls_come_after_those_that_they_depend_on(graph):
    calls = compat.calls_in_order(graph)
    names = [call.operation.name for call in calls]
    assert names[:3] == ["shared", "shared", "total"]
    assert len(names) == 4
    first, second, total, split = calls
    (image,) = graph.inputs
    assert first.inputs == [image]
    assert second.inputs == first.outputs
    assert total.args == ([second.outputs[0], image],)
    assert total.inputs == [second.outputs[0], image]
    assert (split.args, split.kwargs) == ((total.outputs[0],), {})
    assert split.outputs == graph.outputs


def test_keyword_arguments_of_a_call_are_kept():
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dropout(0.5)(x, training=True))
    (call,) = compat.calls_in_order(model)
    assert call.args == (x,)
    assert call.kwargs == {"training": True}


def test_a_sequential_model_is_a_graph_once_it_is_built():
    model = keras.Sequential([layers.Dense(3, name="one"), layers.ReLU()])
    assert not compat.is_graph(model)
    model.build((None, 4))
    assert compat.is_graph(model)
    calls = compat.calls_in_order(model)
    assert [call.operation for call in calls] == model.layers


def test_a_nested_model_is_one_call(graph):
    image = keras.Input((4,))
    outer = keras.Model(image, graph(image))
    (call,) = compat.calls_in_order(outer)
    assert call.operation is graph
    assert call.outputs == outer.outputs


def test_a_subclassed_model_is_no_graph():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    assert not compat.is_graph(Subclassed())


def test_the_operation_of_a_tensor_is_what_returned_it(graph):
    shared, total = graph.get_layer("shared"), graph.get_layer("total")
    assert compat.operation_of(total.output) is total
    assert compat.operation_of(total.input[0]) is shared
    assert compat.operation_of(graph.inputs[0]) is graph.get_layer("image")


def test_users_and_calls_of_a_layer_are_counted(graph):
    image, shared, total = map(graph.get_layer, ("image", "shared", "total"))
    assert compat.users_of(image) == [shared, total]
    assert compat.users_of(shared) == [shared, total]
    assert compat.call_count(shared) == 2
    assert compat.call_count(total) == 1
    (split,) = compat.users_of(total)
    assert compat.users_of(split) == []


def test_operators_of_a_file_are_named_with_their_tensors():
    model = ConvMixer(8, 1, 3, 4, input_shape=(8, 8, 3), classes=5)
    file = interpreter(convert(model, "float32"))
    rows = compat.operators_of(file)
    names = [row["op_name"] for row in rows]
    assert names.count("CONV_2D") == 2  # Stem and pointwise.
    assert names.count("DELEGATE") == 1  # XNNPACK takes all after the cast.
    produced = {int(tensor) for row in rows for tensor in row["outputs"]}
    (output,) = file.get_output_details()
    assert output["index"] in produced
    first = rows[names.index("CAST")]
    (image,) = file.get_input_details()
    assert list(first["inputs"]) == [image["index"]]


def test_importing_it_imports_neither_keras_nor_tensorflow():
    run_python(
        "-c",
        "import sys\n"
        "import keras_convmixer.compat\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)",
    )


def test_no_batch_is_made_only_to_be_looked_at():
    begun = []

    def batches():
        begun.append(True)
        while True:
            yield np.zeros((2, 8, 8, 3), "uint8"), np.eye(10)[:2]

    data = tf.data.Dataset.from_generator(
        batches,
        output_signature=(
            tf.TensorSpec((2, 8, 8, 3), tf.uint8),
            tf.TensorSpec((2, 10), tf.float64),
        ),
    )
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = ConvMixer(4, 1, input_shape=(8, 8, 3), classes=10, patch_size=2)
        model.compile("sgd", "mse", metrics=["accuracy"])
        compat.build_by_shapes(model)
    model.fit(data, steps_per_epoch=1, shuffle=False, verbose=0)
    assert len(begun) == 1
