"""The operators of a TFLite file, as a graph."""

import numpy as np


class Graph:
    """The operators and tensors of a file with one subgraph.

    Args:
        model: The `ModelT` of the file.

    Attributes:
        computed: Names of the tensors that running the file computes, the
            input first, in order; constants are left out.
    """

    def __init__(self, model):
        from ai_edge_litert import schema_py_generated as schema

        self.graph = model.subgraphs[0]
        kinds = {
            value: name for name, value in vars(schema.BuiltinOperator).items()
        }
        self.float32 = schema.TensorType.FLOAT32
        self.type_names = {
            value: name for name, value in vars(schema.TensorType).items()
        }
        self.kinds = [kinds[code.builtinCode] for code in model.operatorCodes]
        self.versions = [code.version for code in model.operatorCodes]
        self.names = [tensor.name.decode() for tensor in self.graph.tensors]
        self.computed = [self.names[i] for i in self.graph.inputs]
        for operator in self.graph.operators:
            self.computed += self.outputs(operator)

    def outputs(self, operator):
        return [self.names[index] for index in operator.outputs]

    def inputs(self, operator):
        return [self.names[index] for index in operator.inputs if index >= 0]

    def kind(self, operator):
        """Such as "CONV_2D"."""
        return self.kinds[operator.opcodeIndex]

    def version(self, operator):
        return self.versions[operator.opcodeIndex]

    def types(self, operator):
        """Types of its inputs, such as "FLOAT32"."""
        tensors = [self.graph.tensors[i] for i in operator.inputs if i >= 0]
        return [self.type_names[tensor.type] for tensor in tensors]

    def rank(self, tensor):
        return len(self.graph.tensors[self.names.index(tensor)].shape)

    def num_weights(self, operator):
        """How many numbers its constants have."""
        constants = set(self.inputs(operator)) - set(self.computed)
        return sum(
            int(np.prod(self.graph.tensors[self.names.index(name)].shape))
            for name in constants
        )

    def float_operators(self):
        """Kinds of the operators that give float32, sorted."""
        kinds = {
            self.kind(operator)
            for operator in self.graph.operators
            for index in operator.outputs
            if self.graph.tensors[index].type == self.float32
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
        (image,) = (self.names[index] for index in self.graph.inputs)
        moved = self.after(image, until=("CONV_2D", "DEPTHWISE_CONV_2D"))
        return [image, *(name for op in moved for name in self.outputs(op))]
