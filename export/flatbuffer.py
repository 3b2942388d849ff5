"""The contents of TFLite files: reading, changing and writing them."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools.flatbuffer_utils import (
    opcode_to_name,
    read_model_from_bytearray,
    type_to_name,
)

from keras_convmixer.utils.text import unique

# Stands in the 8-bit field of an operator's code for larger ones.
LARGEST_OLD_CODE = 127


class SharingBuilder(flatbuffers.Builder):
    """Writes vectors that are equal once.

    Every tensor of an int8 file has a vector of zero points, eight bytes for
    each channel, and all of them are 0: a fifth of a small file.
    """

    def __init__(self):
        super().__init__()
        self.written = {}

    def CreateNumpyVector(self, values):
        key = values.dtype.str, values.tobytes()
        if key not in self.written:
            self.written[key] = super().CreateNumpyVector(values)
        return self.written[key]


def unpack(contents):
    """The `ModelT` of the contents of a file."""
    return read_model_from_bytearray(bytearray(contents))


def pack(model):
    """The contents of the file, of its `ModelT`.

    Operator codes get the 8-bit field as well that all readers had before
    2020, and that OpenVINO and OpenCV still read, as TensorFlow's writer does.
    """
    for code in model.operatorCodes:
        code.deprecatedBuiltinCode = min(code.builtinCode, LARGEST_OLD_CODE)
    builder = SharingBuilder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def free_batch(model):
    """Lets `resize_tensor_input` change the number of images of a file.

    The converter writes the batch of 1 into the shape of each RESHAPE; -1 in
    its place is whatever comes in.
    """
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            if code.builtinCode != schema.BuiltinOperator.RESHAPE:
                continue
            image, shape = (graph.tensors[i] for i in operator.inputs)
            data = model.buffers[shape.buffer].data
            sizes = np.frombuffer(bytes(data), np.int32).copy()
            if image.shape[0] == sizes[0] == 1 and -1 not in sizes:
                sizes[0] = -1
                # Of its own: others may share the one with the 1.
                shape.buffer = add_buffer(model, sizes.view(np.uint8))


def add_buffer(model, data):
    """Adds a buffer with uint8 data to a `ModelT`; returns its index."""
    model.buffers.append(schema.BufferT(data))
    return len(model.buffers) - 1


def shorten_names(model):
    """Names tensors by their layer and last operator: 2 % of a file.

    All names are unique: OpenVINO connects tensors by name. Where several
    tensors would have one, constants get a number.
    """
    for graph in model.subgraphs:
        computed = {*graph.inputs}
        for operator in graph.operators:
            computed.update(operator.outputs)
        taken = set()
        # Constants last, so that what operators compute keeps its name.
        for index in sorted(
            range(len(graph.tensors)), key=lambda i: i not in computed
        ):
            tensor = graph.tensors[index]
            tensor.name = unique(short(tensor.name.decode()), taken)


def short(name):
    """FUNCTION/MODEL/LAYER/OPERATOR;... without all but LAYER/OPERATOR."""
    last_operator = name.split(";")[0]
    below_model = last_operator.split("/", 2)[2:]
    return below_model[0] if below_model else last_operator


class Graph:
    """The operators and tensors of a file with one subgraph.

    Args:
        model: The `ModelT` of the file.

    Attributes:
        computed: Names of the tensors that running the file computes, the
            input first, in order; constants are left out.
    """

    def __init__(self, model):
        (self.graph,) = model.subgraphs
        codes = range(len(model.operatorCodes))
        self.kinds = [opcode_to_name(model, code) for code in codes]
        self.names = [tensor.name.decode() for tensor in self.graph.tensors]
        self.computed = [self.names[i] for i in self.graph.inputs]
        for operator in self.graph.operators:
            self.computed += self.outputs(operator)

    def outputs(self, operator):
        return [self.names[index] for index in operator.outputs]

    def inputs(self, operator):
        return [self.names[index] for index in operator.inputs if index >= 0]

    def tensors(self, indices):
        """The tensors of some indices; -1 stands for none."""
        return [self.graph.tensors[index] for index in indices if index >= 0]

    def kind(self, operator):
        """Such as "CONV_2D"."""
        return self.kinds[operator.opcodeIndex]

    def shape(self, tensor):
        return self.graph.tensors[self.names.index(tensor)].shape

    def num_weights(self, operator):
        """How many numbers its constants have."""
        constants = set(self.inputs(operator)) - set(self.computed)
        return sum(int(np.prod(self.shape(name))) for name in constants)

    def float_operators(self):
        """Kinds of the operators that give float32, sorted."""
        kinds = {
            self.kind(operator)
            for operator in self.graph.operators
            for tensor in self.tensors(operator.outputs)
            if type_to_name(tensor.type) == "FLOAT32"
        }
        return sorted(kinds - {"DEQUANTIZE"})

    def after(self, tensor, until=()):
        """The operators that a tensor reaches.

        Args:
            tensor: Its name.
            until: Kinds of operators to stop before.
        """
        reached, found = {tensor}, []
        # The operators of a file are in the order in which they run.
        for operator in self.graph.operators:
            if reached.isdisjoint(self.inputs(operator)):
                continue
            if self.kind(operator) not in until:
                found.append(operator)
                reached.update(self.outputs(operator))
        return found

    def input_tensors(self):
        """Names of the tensors that hold the image, up to the first kernel."""
        image = self.computed[0]
        moved = self.after(image, until=("CONV_2D", "DEPTHWISE_CONV_2D"))
        return [image, *(name for op in moved for name in self.outputs(op))]
