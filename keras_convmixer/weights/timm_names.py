"""timm's ConvMixer checkpoints: their names, their axes, their architecture."""

import re

from keras_convmixer.utils.checks import UserError

# Keras layer, timm module, and timm's axes in the order of Keras' kernel.
MODULES = (
    (r"stem_conv", "stem.0", (2, 3, 1, 0)),
    (r"stem_norm", "stem.2", None),
    (r"block_(\d+)_depthwise", "blocks.{}.0.fn.0", (2, 3, 0, 1)),
    (r"block_(\d+)_depthwise_norm", "blocks.{}.0.fn.2", None),
    (r"block_(\d+)_pointwise", "blocks.{}.1", (2, 3, 1, 0)),
    (r"block_(\d+)_pointwise_norm", "blocks.{}.3", None),
    (r"head", "head", (1, 0)),
)
VARIABLES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def timm_name(layer, variable):
    """timm's name of a variable, and the transpose that makes it Keras'.

    Example:
        >>> timm_name("block_3_depthwise", "kernel")
        ('blocks.3.0.fn.0.weight', (2, 3, 0, 1))
    """
    for pattern, module, axes in MODULES:
        if match := re.fullmatch(pattern, layer):
            module = module.format(*match.groups())
            is_kernel = variable == "kernel"
            return (
                f"{module}.{VARIABLES[variable]}",
                axes if is_kernel else None,
            )


def read_architecture(tensors, path):
    """The arguments of `ConvMixer` that the shapes of a file's tensors show.

    Returns:
        A dict of `dim`, `depth`, `kernel_size`, `patch_size`, `channels` and
        `classes`, the last one None for a checkpoint without a head.

    Raises:
        UserError: If a tensor that shows them is missing or has another
            number of axes; it names the file and the tensor.
    """

    def shape(name, rank):
        if name not in tensors:
            raise UserError(
                f"{path} is not a timm ConvMixer: it lacks {name!r}"
            )
        if tensors[name].ndim != rank:
            raise UserError(
                f"{path} is not a timm ConvMixer: {name!r} has the shape "
                f"{tensors[name].shape}, not {rank} axes"
            )
        return tensors[name].shape

    blocks = {
        match[1]
        for name in tensors
        if (match := re.match(r"blocks\.(\d+)\.", name))
    }
    dim, channels, patch_size, _ = shape("stem.0.weight", 4)
    return {
        "dim": dim,
        "depth": len(blocks),
        "kernel_size": shape("blocks.0.0.fn.0.weight", 4)[-1],
        "patch_size": patch_size,
        "channels": channels,
        "classes": (
            shape("head.weight", 2)[0] if "head.weight" in tensors else None
        ),
    }
