"""The networks that have a name: the paper's, and one for CIFAR-10.

`python -m keras_convmixer` prints them as a table.
"""

import inspect
import re
from dataclasses import dataclass
from functools import partial

import keras

from keras_convmixer.checks import one_of
from keras_convmixer.convmixer import ConvMixer

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
    weights: tuple = ()

    @property
    def arguments(self):
        """The arguments of `ConvMixer` for this network."""
        return {
            "dim": self.dim,
            "depth": self.depth,
            "kernel_size": self.kernel_size,
            "patch_size": self.patch_size,
            "activation": self.activation,
        }

    @property
    def parameters(self):
        """Number of trainable parameters."""
        block = self.kernel_size**2 + self.dim + 6
        stem = 3 * self.patch_size**2 + 3
        body = self.dim * (self.depth * block + stem)
        return body + (self.dim + 1) * self.classes

    @property
    def multiply_adds(self):
        """For one image; unlike the published figures, with depthwise."""
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
    "convmixer_256_8": Variant(256, 8, 5, 2, image_size=32, classes=10),
}


def parse_variant(text):
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
        r"(\d+)/(\d+)/k(\d+)/p(\d+)(?:/(\w+))?(?:@(\d+))?", text
    )
    if match is None:
        return VARIANTS[one_of("model", text, (*VARIANTS, SHORT_FORM))]
    *numbers, activation, size = match.groups()
    return Variant(
        *map(int, numbers),
        activation=activation or "gelu",
        image_size=size and int(size),
    )


def _builder(name):
    """`ConvMixer` with a row of `VARIANTS` as its defaults."""
    variant = VARIANTS[name]
    defaults = {
        **variant.arguments,
        "input_shape": (variant.image_size, variant.image_size, 3),
        "classes": variant.classes,
        "name": name,
    }

    def build(**options):
        if not options.get("include_top", True):
            options = {"input_shape": None, **options}
        return ConvMixer(**{**defaults, **options})

    build.__name__ = build.__qualname__ = name.replace("convm", "ConvM")
    build.__doc__ = (
        f"`ConvMixer` of {variant.dim} channels and {variant.depth} blocks.\n\n"
        "Takes the arguments of `ConvMixer`, by name, with these defaults:\n"
        f"{defaults}"
    )
    build.__signature__ = inspect.signature(partial(ConvMixer, **defaults))
    return build


ConvMixer_1536_20 = _builder("convmixer_1536_20")
ConvMixer_768_32 = _builder("convmixer_768_32")
ConvMixer_1024_20 = _builder("convmixer_1024_20")
ConvMixer_1024_16 = _builder("convmixer_1024_16")
ConvMixer_1024_12 = _builder("convmixer_1024_12")
ConvMixer_512_16 = _builder("convmixer_512_16")
ConvMixer_512_12 = _builder("convmixer_512_12")
ConvMixer_256_8 = _builder("convmixer_256_8")


def list_variants():
    """The named networks.

    Returns:
        A list of dicts: `name`, `parameters` (trainable), `gmacs` (billions
        of multiply-adds an image, depthwise convolutions counted),
        `image_size` (pixels), `top1` and `top5` (published, per cent, or
        None), `weights` (names that `weights=` takes).
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


def preprocess_input(x, data_format=None):
    """Returns `x` unchanged: the normalisation is inside the model.

    It is here so that code written for other `keras.applications` works. For
    a model with `include_preprocessing=False` use
    `keras.applications.imagenet_utils.preprocess_input(x, mode="torch")`.
    """
    return x


def decode_predictions(predictions, top=5):
    """The most probable ImageNet classes of each image.

    Args:
        predictions: Array `(batch, 1000)` of an ImageNet model's outputs.
        top: How many classes for each image.

    Returns:
        For each image a list of (WordNet id, name, score), best first.

    Raises:
        ValueError: If the array has another shape.
    """
    return keras.applications.imagenet_utils.decode_predictions(
        predictions, top=top
    )
