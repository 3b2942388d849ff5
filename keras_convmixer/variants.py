"""The networks that have a name: the paper's, and one for CIFAR-10.

`convmixer list` prints them as a table.
"""

import re
from dataclasses import dataclass
from typing import Any

from keras_convmixer.utils.checks import UserError, check_choice

# The arguments of `ConvMixer` that weights depend on.
NETWORK = ("dim", "depth", "kernel_size", "patch_size", "activation")
# How depthwise kernels are drawn, which trained weights do not depend on.
DEPTHWISE_INITIALIZERS = ("uniform", "covariance")
SHORT_FORM = "DIM/DEPTH/kKERNEL/pPATCH[/ACTIVATION][@SIZE]"


@dataclass(frozen=True)
class Variant:
    """A row of the paper's tables.

    Attributes:
        dim, depth, kernel_size, patch_size, activation: The network.
        image_size: Height and width it is evaluated at, in pixels, or None.
        classes: Number of classes.
        top1, top5: Published accuracy in per cent, or None.
        weights: Names that `weights=` takes for it.
    """

    dim: int
    depth: int
    kernel_size: int
    patch_size: int
    activation: str = "gelu"
    image_size: int | None = 224
    classes: int = 1000
    top1: float | None = None
    top5: float | None = None
    weights: tuple[str, ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of `ConvMixer` for this network."""
        return {name: getattr(self, name) for name in NETWORK}

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        block = self.kernel_size**2 + self.dim + 6
        stem = 3 * self.patch_size**2 + 3
        body = self.dim * (self.depth * block + stem)
        return body + (self.dim + 1) * self.classes

    @property
    def multiply_adds(self) -> int:
        """For one image; unlike the published figures, with depthwise."""
        if self.image_size is None:
            raise UserError("multiply-adds need an image_size. Received: None")
        positions = (self.image_size // self.patch_size) ** 2
        stem = 3 * self.patch_size**2
        block = self.kernel_size**2 + self.dim
        per_position = self.dim * (stem + self.depth * block)
        return positions * per_position + self.dim * self.classes


VARIANTS = {
    "convmixer_1536_20": Variant(
        1536, 20, 9, 7, top1=81.382, top5=95.618, weights=("imagenet",)
    ),
    # The released weights of this one are for ReLU.
    "convmixer_768_32": Variant(
        768, 32, 7, 7, "relu", top1=80.158, top5=95.070, weights=("imagenet",)
    ),
    "convmixer_1024_20": Variant(
        1024, 20, 9, 14, top1=76.944, top5=93.364, weights=("imagenet",)
    ),
    "convmixer_1024_16": Variant(1024, 16, 9, 7, top1=79.45),
    "convmixer_1024_12": Variant(1024, 12, 8, 7, top1=77.75),
    "convmixer_512_16": Variant(512, 16, 8, 7, top1=73.76),
    "convmixer_512_12": Variant(512, 12, 8, 7, top1=72.59),
    "convmixer_256_8": Variant(
        256, 8, 5, 2, image_size=32, classes=10, weights=("cifar10",)
    ),
}


def parse_variant(text: str) -> Variant:
    """A network by its name, or by its numbers.

    Args:
        text: A name that `list_variants` knows, or `SHORT_FORM`, like
            "256/8/k5/p2" or "768/32/k7/p7/relu@224".

    Returns:
        A `Variant`; without "@SIZE" its `image_size` is None.

    Raises:
        ValueError: If it is neither.
    """
    match = re.fullmatch(
        r"(\d+)/(\d+)/k(\d+)/p(\d+)(?:/(\w+))?(?:@(\d+))?", str(text)
    )
    if match is None:
        return VARIANTS[check_choice("model", text, (*VARIANTS, SHORT_FORM))]
    dim, depth, kernel_size, patch_size, activation, size = match.groups()
    return Variant(
        int(dim),
        int(depth),
        int(kernel_size),
        int(patch_size),
        activation=activation or "gelu",
        image_size=int(size) if size else None,
    )


def short_form(
    dim: int, depth: int, kernel_size: int, patch_size: int, activation: str
) -> str:
    """The text that `parse_variant` makes a network of."""
    text = f"{dim}/{depth}/k{kernel_size}/p{patch_size}"
    return text if activation == "gelu" else f"{text}/{activation}"


def list_variants() -> list[dict[str, Any]]:
    """The named networks.

    Returns:
        A list of dicts: `name`, `parameters` (trainable), `gmacs` (billions
        of multiply-adds an image, depthwise convolutions counted),
        `image_size` (pixels), `top1` and `top5` (published, per cent, or
        None), `weights` (names that `weights=` takes).

    Example:

    >>> from keras_convmixer import list_variants
    >>> list_variants()[0]["name"]
    'convmixer_1536_20'
    >>> [v["name"] for v in list_variants() if v["parameters"] < 1e6]
    ['convmixer_256_8']
    """
    return [
        {
            "name": name,
            "parameters": variant.parameters,
            "gmacs": round(variant.multiply_adds / 1e9, 3),
            "image_size": variant.image_size,
            "top1": variant.top1,
            "top5": variant.top5,
            "weights": variant.weights,
        }
        for name, variant in VARIANTS.items()
    ]
