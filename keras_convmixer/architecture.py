"""What a network that `ConvMixer` built is; ImageNet's constants."""

import re
from collections import defaultdict
from dataclasses import dataclass

import keras

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.graph import flatten, leaf_layers

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

STEM = ("stem_conv", "stem_activation", "stem_norm")
BLOCK = (
    "depthwise",
    "depthwise_activation",
    "depthwise_norm",
    "add",
    "pointwise",
    "pointwise_activation",
    "pointwise_norm",
)
TRUNK_NAME = rf"{'|'.join(STEM)}|block_\d+_({'|'.join(BLOCK)})"
KINDS = {
    "conv": keras.layers.Conv2D,
    "depthwise": keras.layers.DepthwiseConv2D,
    "pointwise": keras.layers.Conv2D,
    "activation": keras.layers.Activation,
    "norm": keras.layers.BatchNormalization,
    "add": keras.layers.Add,
}
# What inference has built in of a convolution's options.
PLAIN = {"dilation_rate": (1, 1), "use_bias": True, "activation": "linear"}
OPTIONS = {
    "conv": {**PLAIN, "padding": "valid", "groups": 1},
    "depthwise": {
        **PLAIN,
        "padding": "same",
        "strides": (1, 1),
        "depth_multiplier": 1,
    },
    "pointwise": {
        **PLAIN,
        "kernel_size": (1, 1),
        "strides": (1, 1),
        "groups": 1,
    },
    "norm": {"axis": -1, "center": True, "scale": True},
}


def architecture(model):
    """The arguments of `ConvMixer` that the one in a model was built with.

    Returns:
        A dict of `dim`, `depth`, `kernel_size`, `patch_size`, `activation`.

    Raises:
        UserError: As `trunk_layers`.
    """
    trunk = trunk_layers(model)
    return {
        "dim": trunk["stem_conv"].filters,
        "depth": (len(trunk) - len(STEM)) // len(BLOCK),
        "kernel_size": trunk["block_0_depthwise"].kernel_size[0],
        "patch_size": trunk["stem_conv"].kernel_size[0],
        "activation": trunk["stem_activation"].get_config()["activation"],
    }


def trunk_layers(model):
    """The layers from the stem to the last block, however deeply nested.

    Args:
        model: A model that `ConvMixer` built, or one that has it inside.

    Returns:
        `{name: layer}`, in order, like "block_0_depthwise_norm".

    Raises:
        ValueError: If there is no ConvMixer in the model, or more than one.
    """
    if not isinstance(model, keras.Model):
        raise UserError(f"model must be a Keras model. Received: {model!r}")
    layers = [
        layer
        for layer in leaf_layers(model)
        if re.fullmatch(TRUNK_NAME, layer.name)
    ]
    named = {layer.name: layer for layer in layers}
    if len(named) < len(layers):
        raise UserError(
            "model must have one ConvMixer in it. Received: "
            f"{model.name!r} with several"
        )
    depth = sum(name.endswith("_add") for name in named)
    blocks = [
        f"block_{i}_{role}" for i in range(max(depth, 1)) for role in BLOCK
    ]
    roles = [*STEM, *blocks]
    for role in (*roles, *(name for name in named if name not in roles)):
        kind = KINDS[role.rpartition("_")[2]]
        if role not in roles or not isinstance(named.get(role), kind):
            raise UserError(
                "model must be one that keras_convmixer.ConvMixer built, or "
                f"have one inside. Received: {model.name!r}, whose layer "
                f"{role!r} is missing, in excess or of another kind"
            )
    return {role: named[role] for role in roles}


@dataclass
class Network:
    """A model as a front, a ConvMixer's trunk, and a tail.

    Attributes:
        dim, depth, kernel_size, patch_size, activation: As `ConvMixer` has
            them.
        front: The steps from the input, which is the first, to the stem.
        trunk: `{role: step}`, from "stem_conv" to the last norm, in order.
        tail: The steps after the trunk, in the order they run.
        output: The step that gives the output.
    """

    dim: int
    depth: int
    kernel_size: int
    patch_size: int
    activation: str
    front: list
    trunk: dict
    tail: list
    output: object


def read_network(model):
    """The `Network` of a model that has a ConvMixer inside, however nested.

    Raises:
        UserError: As `trunk_layers`, and if the ConvMixer is not as
            `ConvMixer` built it. It names the layer.
    """
    steps, output = flatten(model)
    network = architecture(model)
    calls = defaultdict(list)
    for step in steps:
        calls[id(step.operation)].append(step)
    trunk = {}
    for role, layer in trunk_layers(model).items():
        count = len(calls[id(layer)])
        if count != 1:
            raise UserError(
                "model must run its ConvMixer once, to the last block. "
                f"{layer.name!r} runs {count} times"
            )
        (trunk[role],) = calls[id(layer)]
        check_options(layer, role, network)
    check_connections(trunk, output)
    last = list(trunk.values())[-1]
    front = []
    source = trunk["stem_conv"]
    while source.sources:
        if len(source.sources) != 1:
            raise UserError(
                f"{source.name!r} before the ConvMixer must have one "
                f"input. It has {len(source.sources)}"
            )
        (source,) = source.sources
        front.insert(0, source)
    inside = {*front, *trunk.values()}
    tail = [step for step in steps if step not in inside]
    for step in tail:
        if inside.intersection(step.sources) - {last}:
            raise UserError(
                f"{step.name!r} takes what is before the ConvMixer, or "
                "inside it: it may take what follows the last block only"
            )
    return Network(
        **network, front=front, trunk=trunk, tail=tail, output=output
    )


def check_options(layer, role, network):
    """An error for a layer that was changed."""
    kind = role.rpartition("_")[2]
    options = dict(OPTIONS.get(kind, {}))
    if kind == "conv":
        options["strides"] = (network["patch_size"],) * 2
        options["kernel_size"] = (network["patch_size"],) * 2
    if kind == "depthwise":
        options["kernel_size"] = (network["kernel_size"],) * 2
    if kind == "activation":
        options["activation"] = network["activation"]
    if type(layer) is not KINDS[kind]:
        raise UserError(
            f"{layer.name!r} must be a keras.layers.{KINDS[kind].__name__}. "
            f"Received: {type(layer).__name__}"
        )
    config = layer.get_config()
    for option, expected in options.items():
        value = config[option]
        value = tuple(value) if isinstance(value, list) else value
        if value != expected:
            raise UserError(
                f"{layer.name!r} must have {option}={expected!r} as ConvMixer "
                f"builds it. Received: {value!r}"
            )


def check_connections(trunk, output):
    """An error for a trunk whose layers are connected otherwise."""
    roles = list(trunk)
    for role, previous in zip(roles[1:], roles, strict=False):
        sources = [trunk[previous]]
        if role.endswith("_add"):
            block = role.removesuffix("_add")
            sources += trunk[f"{block}_depthwise"].sources
        found = trunk[role].sources
        if len(found) != len(sources) or set(found) != set(sources):
            raise UserError(
                f"{trunk[role].name!r} must take the output of "
                f"{[source.name for source in sources]}, as ConvMixer builds "
                f"it. Received: {[source.name for source in found]}"
            )
    if output in list(trunk.values())[:-1]:
        raise UserError(
            "model must give what follows the last block. Received: one "
            f"that gives the output of {output.name!r}"
        )
