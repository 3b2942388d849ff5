"""Names of classes as callers give them, in the order of the outputs."""

import reprlib
from collections.abc import Mapping
from numbers import Integral

from keras_convmixer.utils.checks import UserError


def label_names(labels):
    """Names in the order of the outputs.

    Args:
        labels: A sequence of names; `{name: index}`, as Keras' `class_indices`,
            or `{index: name}`; None for no names.

    Returns:
        A list, or what was given if it is None or a `str`.

    Raises:
        UserError: If they have no order, or not each index once.

    Example:

    >>> label_names({"zebra": 1, "ape": 0})
    ['ape', 'zebra']
    """
    if labels is None or isinstance(labels, str):
        return labels
    if isinstance(labels, Mapping):
        return names_by_index(labels)
    if isinstance(labels, set | frozenset):
        raise UserError(
            "labels must be in the order of the outputs, which a set has not. "
            f"Received: {reprlib.repr(labels)}"
        )
    try:
        return list(labels)
    except TypeError:
        raise UserError(
            f"labels must be a list of names. Received: {labels!r}"
        ) from None


def names_by_index(labels):
    """The names of `{name: index}` or of `{index: name}`."""
    pairs = [
        (key, value) if is_index(key) else (value, key)
        for key, value in labels.items()
    ]
    indices = [index for index, _ in pairs]
    is_complete = all(map(is_index, indices)) and sorted(indices) == list(
        range(len(pairs))
    )
    if not is_complete:
        raise UserError(
            f"labels must give each index from 0 to {len(pairs) - 1} once, as "
            "{name: index} or {index: name}. Received: "
            f"{reprlib.repr(dict(labels))}"
        )
    return [name for _, name in sorted(pairs)]


def is_index(value):
    return isinstance(value, Integral) and not isinstance(value, bool)
