"""ONNX files, for servers and desktops: the inference model for ONNX Runtime.

Images are NHWC outside, as in every file, and NCHW inside, as ONNX has them.
ONNX Runtime knows no limit of 25 taps, so depthwise kernels are whole.
"""

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from keras_convmixer.compat import call_count
from keras_convmixer.evaluation.keras_model import (
    input_type,
    output_kind,
    output_name,
)
from keras_convmixer.inference import reparameterize
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.graph import flatten

from .converter import check_model
from .metadata import check_labels

OPSET = 20  # The first with GELU.
IR_VERSION = 9  # That of this opset.
# Of the metadata: names of the classes, one in each line, and the `OutputKind`.
LABELS, KIND = "labels", "kind"
TYPES = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}
ACTIVATIONS = {
    "gelu": "Gelu",
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "softmax": "Softmax",
    "tanh": "Tanh",
}


def onnx_file(model, labels=None, description=""):
    """Converts a trained ConvMixer to an ONNX file.

    Its input is `image`, uint8 `[batch, height, width, 3]`, pixels 0 to 255;
    its output `probabilities`, float32 `[batch, classes]`; the batch may have
    any size. For a model that ends in logits, or takes normalised images, it
    is as with `export.tflite.convert`.

    Args:
        model: As for `export.tflite.convert`.
        labels: Names of the classes, one for each output; None for "0", "1"
            and so on.
        description: What people read.

    Returns:
        The contents of the file, `bytes`.

    Raises:
        UserError: If the model has a layer that is not understood.

    Example:
        Path("flowers.onnx").write_bytes(onnx_file(model, names))
    """
    check_model(model)
    output = output_name(model)
    labels = check_labels(labels, model.output_shape[-1], output)
    (image, *steps), last = flatten(reparameterize(model, "whole"))
    graph = Graph()
    results = {image: graph.image(input_type(model), model.input_shape[1:])}
    for step in steps:
        sources = [results[source] for source in step.sources]
        results[step] = graph.layer(step.operation, sources)
    contents = graph.model(results[last], output, model.output_shape[-1])
    contents.doc_string = description
    helper.set_model_props(
        contents,
        {LABELS: "\n".join(labels), KIND: output_kind(model).value},
    )
    onnx.checker.check_model(contents, full_check=True)
    return contents.SerializeToString()


class Graph:
    """An ONNX graph in the making; tensors are known by their names."""

    def __init__(self):
        self.inputs, self.nodes, self.arrays = [], [], []

    def image(self, kind, shape):
        """Adds the input, "uint8" or "float32"; returns the image in NCHW."""
        x = "image"
        self.inputs.append(
            helper.make_tensor_value_info(x, TYPES[kind], ("batch", *shape))
        )
        if kind != "float32":
            x = self.node("Cast", x, to=TensorProto.FLOAT)
        return self.node("Transpose", x, perm=(0, 3, 1, 2))

    def model(self, x, output, classes):
        """The whole model, whose output is a tensor under another name."""
        self.nodes.append(helper.make_node("Identity", [x], [output]))
        result = helper.make_tensor_value_info(
            output, TensorProto.FLOAT, ("batch", classes)
        )
        graph = helper.make_graph(
            self.nodes, "convmixer", self.inputs, [result], self.arrays
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="keras_convmixer",
        )

    def layer(self, layer, sources):
        """Adds a layer of the Keras model; returns its result."""
        kind = type(layer).__name__
        write = getattr(self, f"write_{kind}", None)
        is_stock = type(layer) is getattr(keras.layers, kind, None)
        self.check(layer, write and is_stock, f"a {kind}")
        calls = call_count(layer)
        self.check(layer, calls == 1, f"a layer that is called {calls} times")
        return write(layer, *sources)

    def check(self, layer, holds, what):
        """A UserError of a layer for which something does not hold."""
        if not holds:
            raise UserError(f"{layer.name!r} can't be written as ONNX: {what}")

    def write_Conv2D(self, layer, x):
        kernel, *bias = layer.get_weights()
        x = self.convolution(layer, x, kernel.transpose(3, 2, 0, 1), bias)
        return self.activation(layer, x)

    def write_DepthwiseConv2D(self, layer, x):
        kernel, *bias = layer.get_weights()
        height, width, channels, multiplier = kernel.shape
        kernel = kernel.transpose(2, 3, 0, 1)
        kernel = kernel.reshape(channels * multiplier, 1, height, width)
        x = self.convolution(layer, x, kernel, bias, group=channels)
        return self.activation(layer, x)

    def convolution(self, layer, x, kernel, bias, **options):
        """`kernel` is `[outputs, inputs, height, width]`."""
        padding, strides = layer.padding, tuple(layer.strides)
        is_plain = padding == "valid" or strides == (1, 1)
        self.check(layer, is_plain, f"padding 'same' with strides {strides}")
        is_last = layer.data_format == "channels_last"
        self.check(layer, is_last, layer.data_format)
        pads = (0, 0, 0, 0)
        if padding == "same":
            spans = layer.dilation_rate * (np.array(kernel.shape[2:]) - 1)
            before = spans // 2
            pads = (*before, *(spans - before))
        return self.node(
            "Conv",
            x,
            *self.weights(layer, kernel, bias),
            pads=pads,
            strides=strides,
            dilations=layer.dilation_rate,
            **{"group": getattr(layer, "groups", 1), **options},
        )

    def write_Dense(self, layer, x):
        shape = layer.input.shape
        self.check(layer, len(shape) == 2, f"its input is {shape}")
        kernel, *bias = layer.get_weights()
        weights = self.weights(layer, kernel, bias)
        return self.activation(layer, self.node("Gemm", x, *weights))

    def weights(self, layer, kernel, bias):
        """Adds a kernel and a list of one bias or none."""
        names = [self.array(layer, "kernel", kernel)]
        return names + [self.array(layer, "bias", array) for array in bias]

    def write_BatchNormalization(self, layer, x):
        is_last = layer.axis in (-1, len(layer.input.shape) - 1)
        self.check(layer, is_last, f"axis={layer.axis}")
        channels = layer.moving_mean.shape
        parts = {
            "gamma": layer.gamma if layer.scale else np.ones(channels),
            "beta": layer.beta if layer.center else np.zeros(channels),
            "mean": layer.moving_mean,
            "variance": layer.moving_variance,
        }
        arrays = [
            self.array(layer, name, np.asarray(part))
            for name, part in parts.items()
        ]
        return self.node(
            "BatchNormalization", x, *arrays, epsilon=layer.epsilon
        )

    def write_GlobalAveragePooling2D(self, layer, x):
        return self.pooled(layer, self.node("GlobalAveragePool", x))

    def write_GlobalMaxPooling2D(self, layer, x):
        return self.pooled(layer, self.node("GlobalMaxPool", x))

    def pooled(self, layer, x):
        return x if layer.keepdims else self.node("Flatten", x)

    def write_Flatten(self, layer, x):
        if len(layer.input.shape) == 4:  # Its order is that of NHWC.
            x = self.node("Transpose", x, perm=(0, 2, 3, 1))
        return self.node("Flatten", x)

    def write_Add(self, layer, *sources):
        total = sources[0]
        for term in sources[1:]:
            total = self.node("Add", total, term)
        return total

    def write_Activation(self, layer, x):
        return self.activation(layer, x)

    def write_Identity(self, layer, x):
        return x

    def write_Softmax(self, layer, x):
        self.check(layer, layer.axis == -1, f"axis={layer.axis}")
        return self.node("Softmax", x, axis=1)

    def write_ReLU(self, layer, x):
        options = layer.max_value, layer.negative_slope, layer.threshold
        self.check(layer, options == (None, 0, 0), f"its options {options}")
        return self.node("Relu", x)

    def activation(self, layer, x):
        """The activation of a layer, if it has one."""
        found = layer.activation
        if found is keras.activations.linear:
            return x
        for name, kind in ACTIVATIONS.items():
            if found is getattr(keras.activations, name):
                # Of [N, C] and of [N, C, H, W].
                axis = {"axis": 1} if name == "softmax" else {}
                return self.node(kind, x, **axis)
        known = ", ".join(ACTIVATIONS)
        self.check(layer, False, f"its activation is none of {known}")

    def node(self, kind, *inputs, **attributes):
        """Adds an operator; returns its result."""
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, inputs, [name], name=name, **attributes)
        )
        return name

    def array(self, layer, name, values):
        """Adds a constant; returns it."""
        name = f"{layer.name}/{name}"
        values = np.ascontiguousarray(values, np.float32)
        self.arrays.append(numpy_helper.from_array(values, name))
        return name
