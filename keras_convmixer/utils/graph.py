"""A Keras model as a flat list of steps, however deeply models are nested."""

from dataclasses import dataclass

import keras

from keras_convmixer.utils.checks import UserError


@dataclass(eq=False)
class Step:
    """One call of a layer or an operation.

    Attributes:
        operation: The layer or `keras.Operation` that is called.
        args, kwargs: What it is called with; steps in the place of tensors.
        tensor: Its symbolic result, in the model that it is called in.
        path: The calls of nested models around it, outermost first, as pairs
            of the model and Keras' node of the call.
    """

    operation: keras.Operation
    args: tuple
    kwargs: dict
    tensor: keras.KerasTensor
    path: tuple

    @property
    def name(self):
        return self.operation.name

    @property
    def sources(self):
        """The steps whose results it takes."""
        return steps_in((self.args, self.kwargs))


def flatten(model):
    """The steps of a functional or sequential model, in the order they run.

    Args:
        model: A built `keras.Model` with one input and one output.

    Returns:
        A list of `Step`, the input first. Those that the output does not
        depend on are left out.

    Raises:
        UserError: If the model, or one nested in it, is no graph of layers.
    """
    graph = graph_of(model)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UserError(
            "model must have one input and one output. Received: "
            f"{model.name!r} with {len(graph.inputs)} and {len(graph.outputs)}"
        )
    (tensor,) = graph.inputs
    image = Step(tensor._keras_history.operation, (), {}, tensor, ())
    steps = [image]
    (output,) = _append_steps(steps, model, [image], ())
    needed = {output}
    for step in reversed(steps):
        if step in needed:
            needed.update(step.sources)
    return [step for step in steps if step in needed], output


def leaf_layers(model):
    """The layers of a model, and of the models nested in it, each once."""
    found = {}
    waiting = [model]
    while waiting:
        layer = waiting.pop()
        if isinstance(layer, keras.Model):
            waiting.extend(reversed(layer.layers))
        else:
            found[id(layer)] = layer
    return list(found.values())


def steps_in(structure):
    leaves = keras.tree.flatten(structure)
    return [leaf for leaf in leaves if isinstance(leaf, Step)]


def graph_of(model):
    """Keras' graph of a model: its inputs, its outputs, its nodes."""
    graph = getattr(model, "_functional", model)
    is_kerass = type(model).call.__module__.startswith("keras.")
    if not is_kerass or not hasattr(graph, "_nodes_by_depth"):
        raise UserError(
            "model must be built, and functional or sequential: a graph of "
            f"layers. Received: {getattr(model, 'name', model)!r}, "
            f"{type(model).__name__}"
        )
    return graph


def _append_steps(steps, model, inputs, path):
    """Appends the steps of a model; returns those that give its outputs."""
    graph = graph_of(model)
    results = dict(zip(map(id, graph.inputs), inputs, strict=True))
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            operation = node.operation
            args, kwargs = node.arguments.fill_in(results)
            if isinstance(operation, keras.Model):
                sources = steps_in((args, kwargs))
                inside = (*path, (operation, node))
                outputs = _append_steps(steps, operation, sources, inside)
            else:
                outputs = [
                    Step(operation, args, kwargs, tensor, path)
                    for tensor in node.outputs
                ]
                if len(outputs) > 1:
                    raise UserError(
                        f"{operation.name!r} has {len(outputs)} outputs, "
                        "which is not supported"
                    )
                steps += outputs
            for tensor, output in zip(node.outputs, outputs, strict=True):
                results[id(tensor)] = output
    return [results[id(tensor)] for tensor in graph.outputs]


def names_before(tensor):
    """The names of the operations that a symbolic tensor depends on."""
    sources = keras.utils.get_source_inputs(tensor)
    return {op.name for op in keras.Model(sources, tensor).operations}


def names_around(tensor):
    """The names of all operations on the inputs that it depends on."""
    names = set()
    waiting = [
        source._keras_history.operation
        for source in keras.utils.get_source_inputs(tensor)
    ]
    seen = set(waiting)
    while waiting:
        operation = waiting.pop()
        names.add(operation.name)
        users = {node.operation for node in operation._outbound_nodes}
        waiting.extend(users - seen)
        seen |= users
    return names
