"""Reading and writing the contents of TFLite files."""

import flatbuffers


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
    from ai_edge_litert.tools import flatbuffer_utils

    return flatbuffer_utils.read_model_from_bytearray(bytearray(contents))


def pack(model):
    """The contents of a file, of its `ModelT`."""
    builder = SharingBuilder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def shorten_names(model):
    """Names tensors by their layer and last operator: 2 % of a file."""
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            last_operator = tensor.name.decode().split(";")[0]
            # FUNCTION/MODEL/LAYER/OPERATOR/...
            below_model = last_operator.split("/", 2)[2:]
            tensor.name = below_model[0] if below_model else last_operator
