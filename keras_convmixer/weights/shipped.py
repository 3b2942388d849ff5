"""Weights that lie in the package, each with its model card and its log."""

from pathlib import Path

from keras_convmixer.utils.checks import UserError

FOLDER = Path(__file__).with_name("shipped_files")
SUFFIX = ".weights.h5"


def pretrained_names():
    """What `weights=` takes besides files: "cifar10"."""
    return sorted({path.name.split("-")[0] for path in files()})


def pretrained_file(name, network):
    """The file of a network.

    Args:
        name: One of `pretrained_names`.
        network: The arguments of `ConvMixer`.

    Raises:
        ValueError: If there is none for this network.
    """
    from keras_convmixer.variants import parse_variant

    known = []
    for path in files():
        of, *form = path.name.removesuffix(SUFFIX).split("-")
        if of == name:
            known.append("/".join(form))
            if parse_variant(known[-1]).arguments == network:
                return path
    raise UserError(
        f"weights={name!r} exist for {', '.join(known)}. Received: {network}"
    )


def files():
    return sorted(FOLDER.glob(f"*{SUFFIX}"))
