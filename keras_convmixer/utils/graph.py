"""A Keras model as a flat list of steps, however deeply models are nested."""

from dataclasses import dataclass

import keras

from keras_convmixer.compat import calls_in_order, is_graph, operation_of
from keras_convmixer.utils.checks import UserError


@dataclass(eq=False)
class Step:
    """One call of a layer or an operation.

    Attributes:
        operation: The layer or `keras.Operation` that is called.
        args, kwargs: What it is called with; steps in the place of tensors.
        tensor: Its symbolic result, in the model that it is called in.
        path: The calls of nested models around it, outermost first, as pairs
            of the model and its `keras_convmixer.compat.Call`.
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

    Returns:
        `(steps, output)`: a list of `Step`, the input first, without those
        that the output does not depend on; and the step of the output.

    Raises:
        UserError: If the model, or one nested in it, is no graph of layers, or
            it has several inputs or outputs.
    """
    check_graph(model)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UserError(
            "model must have one input and one output. Received: "
            f"{model.name!r} with {len(model.inputs)} and {len(model.outputs)}"
        )
    (tensor,) = model.inputs
    image = Step(operation_of(tensor), (), {}, tensor, ())
    steps = [image]
    (output,) = _append_steps(steps, model, [image], ())
    needed = {output}
    for step in reversed(steps):
        if step in needed:
            needed.update(step.sources)
    return [step for step in steps if step in needed], output


def leaf_layers(model):
    """The layers of a model, and of the models nested in it, each once."""
    if not isinstance(model, keras.Model):
        return [model]
    leaves = [leaf for layer in model.layers for leaf in leaf_layers(layer)]
    return list({id(leaf): leaf for leaf in leaves}.values())


def steps_in(structure):
    leaves = keras.tree.flatten(structure)
    return [leaf for leaf in leaves if isinstance(leaf, Step)]


def check_graph(model):
    """A UserError for a model with a `call` of its own, or one not built."""
    if not (
        isinstance(model, keras.Model)
        and type(model).call.__module__.startswith("keras.")
        and is_graph(model)
    ):
        raise UserError(
            "model must be built, and functional or sequential: a graph of "
            f"layers. Received: {getattr(model, 'name', model)!r}, "
            f"{type(model).__name__}"
        )


def _append_steps(steps, model, inputs, path):
    """Appends the steps of a model; returns those that give its outputs."""
    check_graph(model)
    results = dict(zip(map(id, model.inputs), inputs, strict=True))
    for call in calls_in_order(model):
        operation = call.operation
        args, kwargs = keras.tree.map_structure(
            lambda argument: results.get(id(argument), argument),
            (call.args, call.kwargs),
        )
        if isinstance(operation, keras.Model):
            sources = steps_in((args, kwargs))
            inside = (*path, (operation, call))
            outputs = _append_steps(steps, operation, sources, inside)
        else:
            outputs = [
                Step(operation, args, kwargs, tensor, path)
                for tensor in call.outputs
            ]
            if len(outputs) > 1:
                raise UserError(
                    f"{operation.name!r} has {len(outputs)} outputs, "
                    "which is not supported"
                )
            steps += outputs
        for tensor, output in zip(call.outputs, outputs, strict=True):
            results[id(tensor)] = output
    return [results[id(tensor)] for tensor in model.outputs]
