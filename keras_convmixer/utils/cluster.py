"""The cluster of machines that TF_CONFIG describes."""

import json
import os

from keras_convmixer.utils.checks import UserError


def cluster():
    """The cluster that TF_CONFIG describes, a dict; None without one.

    A variable that is set but empty, or holds an empty JSON value, counts as
    not set.

    Raises:
        UserError: If TF_CONFIG is not as above.
    """
    received = os.environ.get("TF_CONFIG", "").strip()
    try:
        config = json.loads(received or "null")
        if config in (None, {}, [], ""):
            return None
        ((kind, addresses),) = config["cluster"].items()
        task = config["task"]
        if kind == task["type"] == "worker" and task["index"] in range(
            len(addresses)
        ):
            return config
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise UserError(
        'TF_CONFIG must be {"cluster": {"worker": [ADDRESS, ...]}, "task": '
        f'{{"type": "worker", "index": NUMBER}}}}. Received: {received}'
    )


def worker_addresses():
    """The addresses of all workers; none outside of a cluster."""
    config = cluster()
    return config["cluster"]["worker"] if config else []


def is_chief():
    """Whether this machine is the one that writes files."""
    config = cluster()
    return config is None or config["task"]["index"] == 0
