"""Checks of arguments, with errors that say what is allowed."""

import dataclasses
import difflib


class UserError(ValueError):
    """What the caller gave can't be used; a command says it in one line.

    Any other `ValueError` is a bug and keeps its traceback.
    """


def check_choice(argument, value, allowed):
    """Returns `value`; a ValueError if it is not among those allowed."""
    if value in allowed:
        return value
    names = ", ".join(map(repr, allowed))
    raise UserError(
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
            raise UserError(
                f"{name} must be a positive integer. Received: {value!r}"
            )


def dataclass_from_json(kind, values, where):
    """A dataclass from the values of a JSON file, names and types checked.

    Args:
        kind: The dataclass; its annotations are types.
        values: A dict.
        where: What holds them, for the error.

    Example:
        >>> @dataclasses.dataclass
        ... class Point:
        ...     x: float
        >>> dataclass_from_json(Point, {"x": 1.5}, "point.json")
        Point(x=1.5)

    Raises:
        UserError: If a value is missing, unknown or of another type.
    """
    if not isinstance(values, dict):
        raise UserError(f"{where} must be a dict. Found: {values!r}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    missing = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and name not in values
    ]
    unknown = [name for name in values if name not in fields]
    if missing or unknown:
        raise UserError(
            f"{where} was written by another version. Missing: {missing}. "
            f"Unknown: {unknown}"
        )
    for name, value in values.items():
        allowed = fields[name].type
        whole_is_fine = allowed is float and type(value) is int
        if not isinstance(value, allowed) and not whole_is_fine:
            raise UserError(
                f"{name} of {where} must be {allowed}. Found: {value!r}"
            )
    return kind(**values)
