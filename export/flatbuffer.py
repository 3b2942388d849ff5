"""Reading and writing the contents of TFLite files."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

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
    return flatbuffer_utils.read_model_from_bytearray(bytearray(contents))


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
                shape.buffer = len(model.buffers)
                model.buffers.append(schema.BufferT())
                model.buffers[-1].data = sizes.view(np.uint8)


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
