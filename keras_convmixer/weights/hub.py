"""ImageNet's released weights: a file by hand, cached, or from the hub."""

import os
from pathlib import Path

from keras_convmixer.utils.checks import UserError

IMAGENET_REPOSITORIES = {
    "convmixer_1536_20": "timm/convmixer_1536_20.in1k",
    "convmixer_768_32": "timm/convmixer_768_32.in1k",
    "convmixer_1024_20": "timm/convmixer_1024_20_ks9_p14.in1k",
}
HUB_SECONDS = 10  # For each of connecting and answering.


def imagenet_file(network):
    """The path of a network's checkpoint: by hand, cached, or downloaded.

    Raises:
        UserError: If none was released for this network.
        ConnectionError: If the hub is out of reach. It says where to put the
            file.
    """
    from huggingface_hub import (
        get_hf_file_metadata,
        hf_hub_download,
        hf_hub_url,
    )

    repository = imagenet_repository(network)
    # The folder of `keras.utils.get_file`, for files that come by hand.
    keras_home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    by_hand = keras_home / "models" / "keras_convmixer"
    by_hand /= f"{repository.split('/')[1]}.safetensors"
    if by_hand.is_file():
        return by_hand

    file = {"repo_id": repository, "filename": "model.safetensors"}
    try:
        try:
            return Path(hf_hub_download(**file, local_files_only=True))
        except FileNotFoundError:
            # Where nothing answers, a download tries again for minutes,
            # whatever its `etag_timeout`; this asks once.
            get_hf_file_metadata(hf_hub_url(**file), timeout=HUB_SECONDS)
            return Path(hf_hub_download(**file))
    # The hub's errors have no base of their own, and change with its version.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConnectionError(
            f"weights='imagenet': can't download model.safetensors of "
            f"{repository} from the Hugging Face hub ({reason}). Download it "
            f"by hand and save it as {by_hand}, or give its path as weights="
        ) from error


def imagenet_repository(network):
    """The name of a network's repository on the hub; else a UserError."""
    from keras_convmixer.variants import VARIANTS

    for name, repository in IMAGENET_REPOSITORIES.items():
        if VARIANTS[name].arguments == network:
            return repository
    known = "; ".join(
        f"{name} ({VARIANTS[name].arguments})" for name in IMAGENET_REPOSITORIES
    )
    raise UserError(
        f"weights='imagenet' exist for {known}. Received: {network}"
    )
