"""Private internals of Keras and LiteRT, each behind a function.

They have no public equivalent, and any release may change them. Nothing else
in the package uses them; tests/network/test_compat.py tests each alone, so
that after an upgrade it is the first test to look at. Importing this module
imports neither Keras nor TensorFlow.
"""

from typing import NamedTuple


class Call(NamedTuple):
    """One call of a layer or an operation in a model's graph.

    Attributes:
        operation: The layer or `keras.Operation`.
        args, kwargs: Its arguments, with symbolic tensors.
        inputs: The symbolic tensors among the arguments, in order.
        outputs: The symbolic tensors that it returns, in order.
    """

    operation: object
    args: tuple
    kwargs: dict
    inputs: list
    outputs: list


def is_graph(model):
    """Whether a model is a graph of layers: functional, or built sequential."""
    return hasattr(_functional(model), "_nodes_by_depth")


def calls_in_order(model):
    """The `Call`s in a model's graph, each after those that it depends on.

    The model's inputs and the calls in models nested in it are not included.
    """
    by_depth = _functional(model)._nodes_by_depth
    return [
        Call(
            node.operation,
            node.arguments.args,
            node.arguments.kwargs,
            node.input_tensors,
            node.outputs,
        )
        for depth in sorted(by_depth, reverse=True)
        for node in by_depth[depth]
        if node.input_tensors
    ]


def _functional(model):
    """A sequential model keeps its graph in a functional one."""
    return getattr(model, "_functional", model)


def operation_of(tensor):
    """The layer or operation that returned a symbolic tensor."""
    return tensor._keras_history.operation


def users_of(operation):
    """The layers and operations called with a result of an operation.

    They are in the order of the calls in all models: an operation called twice
    is in the list twice.
    """
    return [node.operation for node in operation._outbound_nodes]


def call_count(operation):
    """How often a layer or operation was called, in all models."""
    return len(operation._inbound_nodes)


def build_by_shapes(model):
    """Builds what a compiled model needs for `fit`, from the shapes it has.

    Under a strategy Keras makes a batch before each `fit` and `evaluate` only
    to see its shapes: all that is read to shuffle would be read twice. Now it
    makes none.
    """
    model._symbolic_build(data_batch=(model.input, model.output, None))
    model._maybe_symbolic_build = lambda **batch: None


def patch_fit_on_workers():
    """Makes `fit` work on several machines in Keras 3.15.

    After every step it reduces the metrics, which are scalars, along their
    first axis; here along none.
    """
    import keras
    from keras.src.backend.tensorflow import trainer

    stock = trainer.reduce_per_replica

    def reduce_per_replica(values, strategy, reduction):
        if reduction != "auto":
            return stock(values, strategy, reduction)
        return keras.tree.map_structure(
            lambda value: strategy.reduce("MEAN", value, axis=None), values
        )

    trainer.reduce_per_replica = reduce_per_replica


def operators_of(interpreter):
    """The operators of a LiteRT interpreter with allocated tensors.

    Returns:
        A list of dicts: "op_name", and the tensor numbers "inputs" and
        "outputs". An operator that a delegate runs is listed, and so is each
        partition of the graph that a delegate runs, as "DELEGATE".
    """
    return interpreter._get_ops_details()
