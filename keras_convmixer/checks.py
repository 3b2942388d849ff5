"""Checks of arguments, with errors that say what is allowed."""

import dataclasses
import difflib


def one_of(argument, value, allowed):
    """Returns `value`; a ValueError if it is not among those allowed."""
    if value in allowed:
        return value
    names = ", ".join(map(repr, allowed))
    raise ValueError(
        f"{argument} must be one of {names}. Received: {value!r}."
        f"{did_you_mean(value, allowed)}"
    )


def did_you_mean(value, allowed):
    """A question about the nearest of the names; "" where none is near."""
    close = difflib.get_close_matches(str(value), map(str, allowed), 1)
    return f" Did you mean {close[0]!r}?" if close else ""


def check_positive(**arguments):
    """A ValueError for an argument that is not a positive integer."""
    for name, value in arguments.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < 1:
            raise ValueError(
                f"{name} must be a positive integer. Received: {value!r}"
            )


def record(kind, values, where):
    """A dataclass from the values of a JSON file, names and types checked.

    Args:
        kind: The dataclass; its annotations are types.
        values: A dict.
        where: The file, for the error.

    Raises:
        ValueError: If a value is missing, unknown or of another type.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{where} must hold a dict. Found: {values!r}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name, field in fields.items():
        needed = field.default is dataclasses.MISSING
        if needed and name not in values:
            raise ValueError(
                f"{where} lacks {name!r}: another version wrote it"
            )
    for name, value in values.items():
        if name not in fields:
            raise ValueError(
                f"{where} holds {name!r}, which is unknown: another version "
                "wrote it"
            )
        allowed = fields[name].type
        whole_is_fine = allowed is float and type(value) is int
        if not isinstance(value, allowed) and not whole_is_fine:
            raise ValueError(
                f"{where}: {name} must be {allowed}. Found: {value!r}"
            )
    return kind(**values)
