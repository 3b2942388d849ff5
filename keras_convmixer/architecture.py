"""What a network that `ConvMixer` built is; ImageNet's constants."""

import re

from keras_convmixer.utils.checks import UserError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def architecture(model):
    """The arguments of `ConvMixer` that a model of its was built with.

    Returns:
        A dict of `dim`, `depth`, `kernel_size`, `patch_size`, `activation`.

    Raises:
        ValueError: If `ConvMixer` did not build the model.
    """
    found = {layer.name: layer for layer in model.layers}
    if not {"stem_conv", "stem_activation", "block_0_depthwise"} <= set(found):
        raise UserError(
            "model must be one that keras_convmixer.ConvMixer built. "
            f"Received: {model.name!r} with the layers {list(found)[:5]}..."
        )
    config = found["stem_activation"].get_config()
    return {
        "dim": found["stem_conv"].filters,
        "depth": sum(bool(re.fullmatch(r"block_\d+_add", n)) for n in found),
        "kernel_size": found["block_0_depthwise"].kernel_size[0],
        "patch_size": found["stem_conv"].kernel_size[0],
        "activation": config["activation"],
    }
