"""What a network that `ConvMixer` built is; ImageNet's constants."""

import re
from dataclasses import dataclass

from keras_convmixer.utils.checks import UserError

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
KINDS = {
    "conv": "Conv2D",
    "depthwise": "DepthwiseConv2D",
    "pointwise": "Conv2D",
    "activation": "Activation",
    "norm": "BatchNormalization",
    "add": "Add",
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
    "norm": {"center": True, "scale": True},
}


def architecture(model):
    """The arguments of `ConvMixer` that a model of its was built with.

    Args:
        model: A model that `ConvMixer` built, or one that has it inside.

    Returns:
        A dict of `dim`, `depth`, `kernel_size`, `patch_size`, `activation`.

    Raises:
        ValueError: If there is no ConvMixer in the model, or more than one.
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
        `{role: layer}`, in order; the role is the layer's name without what
        all of them may have in front, like "block_0_depthwise_norm".

    Raises:
        ValueError: If there is no ConvMixer in the model, or more than one.
    """
    from keras_convmixer.utils.graph import leaf_layers

    layers = leaf_layers(model)
    stems = [layer for layer in layers if layer.name.endswith(STEM[0])]
    if len(stems) > 1:
        raise UserError(
            "model must have one ConvMixer in it. Received: "
            f"{model.name!r} with {[stem.name for stem in stems]}"
        )
    prefix = stems[0].name.removesuffix(STEM[0]) if stems else ""
    named = {
        layer.name.removeprefix(prefix): layer
        for layer in layers
        if layer.name.startswith(prefix)
    }
    block = rf"block_\d+_({'|'.join(BLOCK)})"
    count = sum(bool(re.fullmatch(r"block_\d+_add", name)) for name in named)
    roles = trunk_roles(max(count, 1))
    for role in roles:
        if role not in named or not has_kind(named[role], role):
            raise UserError(
                "model must be one that keras_convmixer.ConvMixer built, or "
                f"have one inside. Received: {model.name!r}, whose layer "
                f"{prefix + role!r} is missing or of another kind"
            )
    extra = [
        name
        for name in named
        if re.fullmatch(block, name) and name not in roles
    ]
    if extra:
        raise UserError(f"model has layers of no whole block: {extra}")
    return {role: named[role] for role in roles}


def trunk_roles(depth):
    """The names of a trunk's layers, in order."""
    blocks = [f"block_{i}_{role}" for i in range(depth) for role in BLOCK]
    return [*STEM, *blocks]


def has_kind(layer, role):
    """Whether the layer is of the class that `ConvMixer` has there."""
    kind = KINDS[role.rpartition("_")[2]]
    return any(base.__name__ == kind for base in type(layer).__mro__)


@dataclass
class Network:
    """A model as a front, a ConvMixer's trunk, and a tail.

    Attributes:
        dim, depth, kernel_size, patch_size, activation: As `ConvMixer` has
            them.
        front: The steps from the input, which is the first, to the stem.
        trunk: `{role: step}`, from "stem_conv" to the last norm, in order.
        tail: The steps behind the trunk, in the order they run.
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
    """Takes a model apart.

    Args:
        model: A model that `ConvMixer` built, or one that has it inside: with
            layers in front of it and behind it, nested in other models.

    Returns:
        A `Network`.

    Raises:
        ValueError: If there is no ConvMixer in the model, or more than one,
            or it is not as `ConvMixer` built it. It names the layer.
    """
    from keras_convmixer.utils.graph import flatten

    layers = trunk_layers(model)
    steps, output = flatten(model)
    network = architecture(model)
    trunk = {}
    for role, layer in layers.items():
        calls = [step for step in steps if step.operation is layer]
        if len(calls) != 1:
            raise UserError(
                "model must run its ConvMixer once, to the last block. "
                f"{layer.name!r} runs {len(calls)} times"
            )
        trunk[role] = calls[0]
        check_options(layer, role, network)
    check_connections(trunk, output)
    stem, last = trunk["stem_conv"], trunk[list(trunk)[-1]]
    front = []
    source = stem
    while source.sources:
        if len(source.sources) != 1:
            raise UserError(
                f"{source.name!r} in front of the ConvMixer must have one "
                f"input. It has {len(source.sources)}"
            )
        (source,) = source.sources
        front.insert(0, source)
    inside = {last, *front, *trunk.values()}
    tail = [step for step in steps if step not in inside]
    for step in tail:
        if inside.intersection(step.sources) - {last}:
            raise UserError(
                f"{step.name!r} takes what is in front of the ConvMixer, or "
                "inside it: it must stand behind the last block alone"
            )
    return Network(
        **network,
        front=front,
        trunk=trunk,
        tail=tail,
        output=output,
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
            before = roles[roles.index(f"{block}_depthwise") - 1]
            sources.append(trunk[before])
        found = trunk[role].sources
        if len(found) != len(sources) or set(found) != set(sources):
            raise UserError(
                f"{trunk[role].name!r} must take the output of "
                f"{[source.name for source in sources]}, as ConvMixer builds "
                f"it. Received: {[source.name for source in found]}"
            )
    if output in list(trunk.values())[:-1]:
        raise UserError(
            "model must give what comes behind the last block. Received: one "
            f"that gives the output of {output.name!r}"
        )
