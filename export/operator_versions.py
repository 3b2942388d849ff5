"""The versions of the operators that a quantised file needs.

A runtime refuses an operator in a version that it does not know; where a file
states too low a version, an old one runs it and is wrong. ai-edge-quantizer
changes the types of a file's tensors and leaves the versions as they are.

The rules are those of TensorFlow's `lite/tools/versioning/op_version.cc` and
`runtime_version.cc`.
"""

import numpy as np

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
    """Raises the versions that a quantised file states to what it needs.

    Args:
        model: The `ModelT` of the file, of which the versions of the operators
            and that of the first runtime that has them all are changed.
    """
    from ai_edge_litert import schema_py_generated as schema

    kinds = names_of(schema.BuiltinOperator)
    types = names_of(schema.TensorType)
    runtimes = [FIRST_WITH_INT8]
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            kind = kinds[code.builtinCode]
            inputs, outputs = (
                [graph.tensors[index] for index in indices if index >= 0]
                for indices in (operator.inputs, operator.outputs)
            )
            given = [types[tensor.type] for tensor in inputs]
            version = needed(kind, given, inputs, outputs, operator)
            code.version = max(code.version, version)
            runtimes.append(FIRST_WITH.get((kind, code.version), "0"))
    for metadata in model.metadata:
        if metadata.name == METADATA:
            buffer = model.buffers[metadata.buffer]
            runtimes.append(bytes(buffer.data).rstrip(b"\0").decode() or "0")
            newest = max(runtimes, key=numbers).encode()
            buffer.data = list(newest.ljust(len(buffer.data), b"\0"))


def needed(kind, types, inputs, outputs, operator):
    """The version of one operator for the types of its tensors.

    Those that the quantizer left in float32 need 1 here: what the converter
    stated for them is right.
    """
    if kind == "CONV_2D":
        # A kernel of fewer channels than the image is for groups of them.
        if types[0] == "INT8" and inputs[0].shape[3] != inputs[1].shape[3]:
            return 6
        return of_kernel(types, integer=3, hybrid=(2, 5), kernel=inputs[1])
    if kind == "DEPTHWISE_CONV_2D":
        return of_kernel(types, integer=3, hybrid=(4, 6), kernel=inputs[1])
    if kind == "FULLY_CONNECTED":
        options = operator.builtinOptions
        hybrid = 9 if options.asymmetricQuantizeInputs else 3
        version = of_kernel(
            types, integer=4, hybrid=(hybrid, 12), kernel=inputs[1]
        )
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
        scales = [tensor.quantization.scale[0] for tensor in inputs]
        grows = np.prod(scales) >= outputs[0].quantization.scale[0]
        return 3 if grows else 2
    first = 1 if kind == "SPLIT" else 0  # Its inputs begin with the axis.
    return 2 if kind in TAKE_INT8 and types[first] == "INT8" else 1


def of_kernel(types, integer, hybrid, kernel):
    """The version of what has a kernel.

    Args:
        types: Of its inputs, the kernel second.
        integer: The version for an int8 kernel and input.
        hybrid: Those for float32 input: one scale, and one a channel.
        kernel: The kernel's `TensorT`.
    """
    if types[1] != "INT8":
        return 1
    return integer if types[0] == "INT8" else hybrid[is_per_channel(kernel)]


def is_per_channel(tensor):
    return len(tensor.quantization.scale) > 1


def names_of(enumeration):
    return {number: name for name, number in vars(enumeration).items()}


def numbers(version):
    return [int(number) for number in version.split(".")]
