"""The questions, and the networks that are trained to answer each.

A network is written as `convmixer train --model` has it, or is a rival's name.
"""

import dataclasses
from dataclasses import dataclass

from benchmarks.measure import folder_name
from keras_convmixer.variants import parse_variant, short_form

# What makes two trainings the same one.
KEY = (
    "dataset",
    "recipe",
    "image_size",
    "epochs",
    "network",
    "change",
    "learning_rate",
    "seed",
)
BASE = "64/6/k5/p2"
# What the rivals are compared with, and those of as many parameters, within
# 3 %, with the same patches.
OURS = "128/6/k5/p4"
RIVALS = {
    "ResNet-20, width 11": ("ResNet", {"blocks": 3, "width": 11}),
    "ViT, width 50, depth 4": (
        "ViT",
        {"dim": 50, "depth": 4, "heads": 5, "patch_size": 4},
    ),
    "MLP-Mixer, width 68, depth 3": (
        "MLPMixer",
        {"dim": 68, "depth": 3, "patch_size": 4},
    ),
}
NETWORK_CHANGES = (
    "no residual",
    "residual around both",
    "norm in front",
    "LayerNorm",
    "no depthwise",
)
TRAINING_CHANGES = ("no clipping", "no RandAugment")
INITIALISERS = ("covariance", "frozen", "covariance, frozen")
LEARNING_RATES = (0.001, 0.003, 0.01, 0.03)
KERNELS = (3, 5, 7, 9, 11)
PATCHES = (1, 2, 4, 8)


@dataclass(frozen=True)
class Subject:
    """What is trained: a network, and what is otherwise in it.

    Attributes:
        network: As above.
        change: "", or one of the names above.
        learning_rate: The peak; None for the recipe's, "best" for the one of
            `LEARNING_RATES` with which it learns its training images best.
        equal_time: Whether it is trained for the time of `OURS`, not for as
            many epochs.
    """

    network: str
    change: str = ""
    learning_rate: float | str | None = None
    equal_time: bool = False


def at_equal_cost(network, size):
    """A ConvMixer with the width at which it takes what `BASE` takes."""

    def cost(variant):
        sized = dataclasses.replace(variant, image_size=size, classes=10)
        return sized.multiply_adds

    aim, variant = cost(parse_variant(BASE)), parse_variant(network)
    width = min(
        range(1, 1025),
        key=lambda dim: abs(cost(dataclasses.replace(variant, dim=dim)) - aim),
    )
    return short_form(**variant.arguments | {"dim": width})


def questions(size):
    """The subjects of each question.

    Args:
        size: Height and width of the images in pixels.
    """
    kernels = [f"64/6/k{kernel}/p2" for kernel in KERNELS]
    patches = [f"64/6/k5/p{patch}" for patch in PATCHES]
    families = (OURS, *RIVALS)
    changes = ("", *NETWORK_CHANGES, *TRAINING_CHANGES)
    return {
        "kernel": [Subject(network) for network in kernels],
        "what matters": [
            *(Subject(BASE, change) for change in changes),
            Subject(f"{BASE}/relu"),
        ],
        "initialiser": [
            Subject("64/6/k9/p2", change) for change in ("", *INITIALISERS)
        ],
        "learning rate": [
            Subject(family, learning_rate=rate)
            for family in families
            for rate in LEARNING_RATES
        ],
        "rivals": [
            Subject(family, learning_rate="best") for family in families
        ],
        "rivals in equal time": [
            Subject(family, learning_rate="best", equal_time=True)
            for family in families
        ],
        "patch": [Subject(network) for network in patches],
        "kernel at equal cost": [
            Subject(at_equal_cost(network, size)) for network in kernels
        ],
        "patch at equal cost": [
            Subject(at_equal_cost(network, size)) for network in patches
        ],
    }


def run_folder(runs, row):
    """Where the training of a row is kept."""
    return runs / folder_name(row[name] for name in KEY)
