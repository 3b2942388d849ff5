"""Which releases run a file: what it states, and the first of each client.

A TFLite file states the versions of its operators, and the first TensorFlow
that has them all. A runtime refuses an operator in a version that it does not
know; where a file states too low a version, an old one runs it and is wrong.
ai-edge-quantizer changes the types of a file's tensors and leaves the versions
as they are. The rules are those of TensorFlow's
`lite/tools/versioning/op_version.cc` and `runtime_version.cc`.

The number of TensorFlow is also the one of `tflite-runtime` on PyPI and of
`org.tensorflow:tensorflow-lite` on Maven. LiteRT and MediaPipe have numbers of
their own. `python -m tests.clients` runs files in releases around these.
"""

import numpy as np
from ai_edge_litert.tools.flatbuffer_utils import type_to_name

from keras_convmixer.utils.tables import markdown_table

from .flatbuffer import Graph, unpack
from .formats import TFLITE

# (TensorFlow, the first MediaPipe Tasks that was built with it or a later one):
# the oldest releases that ran our files.
MEDIAPIPE = (("2.17.0", "0.10.13"), ("0", "0.10.5"))
LITERT = "1.0.0"  # Its first release, made of TensorFlow 2.17.
# Of files that are not TFLite: those with which they were tested.
OTHERS = {"": {"TensorFlow": "2.15"}, ".onnx": {"ONNX Runtime": "1.17"}}
# Version 2 where the first input is int8.
TAKE_INT8 = (
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "GELU", "LOGISTIC", "MAXIMUM",
    "MAX_POOL_2D", "MEAN", "MINIMUM", "PAD", "PADV2", "RELU", "RELU6", "RSQRT",
    "SLICE", "SOFTMAX", "SPLIT", "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB",
    "SUM", "TANH", "TRANSPOSE",
)  # fmt: skip
# The first TensorFlow whose runtime has any of these, and of those that came
# after the others.
FIRST_WITH_INT8 = "1.14.0"
FIRST_WITH = {
    ("CONV_2D", 5): "2.4.0",
    ("CONV_2D", 6): "2.9.0",
    ("DEPTHWISE_CONV_2D", 4): "2.2.0",
    ("DEPTHWISE_CONV_2D", 6): "2.3.0",
    ("DEQUANTIZE", 3): "1.15.0",
    ("DEQUANTIZE", 5): "2.7.0",
    ("FULLY_CONNECTED", 5): "2.0.0",
    ("FULLY_CONNECTED", 6): "2.1.0",
    ("FULLY_CONNECTED", 9): "2.3.0",
    ("FULLY_CONNECTED", 12): "2.17.0",
    ("GELU", 2): "2.9.0",
    ("MUL", 3): "1.15.0",
    ("RELU", 2): "2.1.0",
    ("RSQRT", 2): "2.5.0",
    ("SQUARED_DIFFERENCE", 2): "2.5.0",
    ("SUM", 2): "1.15.0",
    ("TRANSPOSE", 4): "2.3.0",
}
METADATA = b"min_runtime_version"


def state_versions(model):
    """Raises the versions that a quantised `ModelT` states to what it needs.

    That of the first runtime that has them all is raised too.
    """
    graph = Graph(model)
    releases = [FIRST_WITH_INT8, minimum_runtime(model) or "0"]
    for operator in graph.graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        code.version = max(code.version, needed(graph, operator))
        kind = graph.kind(operator)
        releases.append(FIRST_WITH.get((kind, code.version), "0"))
    buffer = runtime_buffer(model)
    newest = max(releases, key=numbers).encode()
    buffer.data = list(newest.ljust(len(buffer.data), b"\0"))


def minimum_runtime(model):
    """The first TensorFlow that runs a file's `ModelT`, such as "2.9.0"."""
    data = bytes(bytearray(runtime_buffer(model).data))
    return data.rstrip(b"\0").decode()


def runtime_buffer(model):
    (entry,) = (e for e in model.metadata if e.name == METADATA)
    return model.buffers[entry.buffer]


def needed(graph, operator):
    """The version of one operator for the types of its tensors.

    Those that the quantizer left in float32 need 1 here: what the converter
    stated for them is right.
    """
    kind, inputs = graph.kind(operator), graph.tensors(operator.inputs)
    types = [type_to_name(tensor.type) for tensor in inputs]
    if kind == "CONV_2D":
        # A kernel of fewer channels than the image is for groups of them.
        if types[0] == "INT8" and inputs[0].shape[3] != inputs[1].shape[3]:
            return 6
        return of_kernel(inputs, integer=3, hybrid=(2, 5))
    if kind == "DEPTHWISE_CONV_2D":
        return of_kernel(inputs, integer=3, hybrid=(4, 6))
    if kind == "FULLY_CONNECTED":
        options = operator.builtinOptions
        hybrid = 9 if options.asymmetricQuantizeInputs else 3
        version = of_kernel(inputs, integer=4, hybrid=(hybrid, 12))
        if version == 12:
            return version
        if len(operator.inputs) == 2:  # It has no bias.
            return 6
        return 5 if options.keepNumDims else version
    if kind == "DEQUANTIZE":
        if types[0] == "INT8":
            return 5 if is_per_channel(inputs[0]) else 2
        return 3 if types[0] == "FLOAT16" else 1
    if kind == "MUL" and types[0] == "INT8":
        (output,) = graph.tensors(operator.outputs)
        scales = [tensor.quantization.scale[0] for tensor in inputs]
        return 3 if np.prod(scales) >= output.quantization.scale[0] else 2
    first = 1 if kind == "SPLIT" else 0  # Its inputs begin with the axis.
    return 2 if kind in TAKE_INT8 and types[first] == "INT8" else 1


def of_kernel(inputs, integer, hybrid):
    """The version of what has a kernel.

    Args:
        inputs: The `TensorT`s that it takes, the kernel second.
        integer: The version for an int8 kernel and input.
        hybrid: Those for float32 input: one scale, and one a channel.
    """
    image, kernel = inputs[:2]
    if type_to_name(kernel.type) != "INT8":
        return 1
    is_integer = type_to_name(image.type) == "INT8"
    return integer if is_integer else hybrid[is_per_channel(kernel)]


def is_per_channel(tensor):
    return len(tensor.quantization.scale) > 1


def numbers(version):
    return [int(number) for number in version.split(".")]


def runtimes(path):
    """The first release of each client that runs a file, `{client: version}`.

    None for MediaPipe and a file that takes int8.
    """
    if path.suffix != TFLITE:
        return OTHERS[path.suffix]
    model = unpack(path.read_bytes())
    needed = minimum_runtime(model)
    mediapipe = next(
        version
        for tensorflow, version in MEDIAPIPE
        if numbers(needed) >= numbers(tensorflow)
    )
    (graph,) = model.subgraphs
    image = graph.tensors[graph.inputs[0]]
    if type_to_name(image.type) == "INT8":
        mediapipe = None
    return {
        "TensorFlow": needed.removesuffix(".0"),
        "LiteRT": LITERT,
        "MediaPipe Tasks": mediapipe,
    }


def runtime_table(paths):
    """The first releases for several files, as a Markdown table."""
    columns = ("TensorFlow", "LiteRT", "MediaPipe Tasks", "ONNX Runtime")
    return markdown_table(
        [
            {"file": path.name, **dict.fromkeys(columns), **runtimes(path)}
            for path in paths
        ]
    )
