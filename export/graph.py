"""The operators of a TFLite file, as a graph."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema


def names_of(enumeration):
    return {number: name for name, number in vars(enumeration).items()}


KINDS = names_of(schema.BuiltinOperator)
TYPES = names_of(schema.TensorType)


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
        self.kinds = [KINDS[code.builtinCode] for code in model.operatorCodes]
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
            if TYPES[tensor.type] == "FLOAT32"
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
