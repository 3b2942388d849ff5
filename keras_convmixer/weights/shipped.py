"""Weights that lie in the package, each with its model card and its log."""

from pathlib import Path

from keras_convmixer.utils.checks import UserError

SHIPPED_FOLDER = Path(__file__).with_name("shipped_files")
SHIPPED_SUFFIX = ".safetensors"


def pretrained_names():
    """What `weights=` takes besides files: "cifar10"."""
    return sorted({path.name.split("-")[0] for path in shipped_files()})


def pretrained_file(name, network):
    """The file of a network.

    Args:
        name: One of `pretrained_names`.
        network: The arguments of `ConvMixer`.

    Raises:
        UserError: If there is none for this network.
    """
    from keras_convmixer.variants import parse_variant

    known = []
    for path in shipped_files():
        of, *form = path.name.removesuffix(SHIPPED_SUFFIX).split("-")
        if of == name:
            known.append("/".join(form))
            if parse_variant(known[-1]).arguments == network:
                return path
    raise UserError(
        f"weights={name!r} exist for {', '.join(known)}. Received: {network}"
    )


def shipped_files():
    """Paths; each name is "DATA-DIM-DEPTH-kKERNEL-pPATCH[-ACTIVATION]"."""
    return sorted(SHIPPED_FOLDER.glob(f"*{SHIPPED_SUFFIX}"))
