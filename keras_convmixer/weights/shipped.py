"""Weights that lie in the package, each with its model card and its log."""

from pathlib import Path

from keras_convmixer.utils.checks import UserError

SHIPPED_FOLDER = Path(__file__).with_name("shipped_files")
SHIPPED_SUFFIX = ".safetensors"


def pretrained_names():
    """What `weights=` takes besides files: "cifar10"."""
    return sorted({trained_on_and_network(path)[0] for path in shipped_files()})


def pretrained_file(name, network):
    """The file of one of `pretrained_names` for the arguments of `ConvMixer`.

    Raises:
        UserError: If there is none for this network.
    """
    from keras_convmixer.variants import parse_variant

    known = []
    for path in shipped_files():
        trained_on, form = trained_on_and_network(path)
        if trained_on == name:
            known.append(form)
            if parse_variant(form).arguments == network:
                return path
    raise UserError(
        f"weights={name!r} exist for {', '.join(known)}. Received: {network}"
    )


def shipped_files():
    """Paths; each name is "DATA-DIM-DEPTH-kKERNEL-pPATCH[-ACTIVATION]"."""
    return sorted(SHIPPED_FOLDER.glob(f"*{SHIPPED_SUFFIX}"))


def trained_on_and_network(path):
    """What a file's name says: "cifar10" and "128/8/k7/p2", for instance."""
    data, *form = path.name.removesuffix(SHIPPED_SUFFIX).split("-")
    return data, "/".join(form)
