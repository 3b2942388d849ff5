"""Checks of arguments, with errors that say what is allowed."""

import dataclasses
import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


class UserError(ValueError):
    """What the caller gave can't be used; a command says it in one line.

    Any other `ValueError` is a bug and keeps its traceback.

    Args:
        message: What must be, and what was received.
        argument: The argument that is wrong, for a command to say which
            option sets it.
    """

    def __init__(self, message: str, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument


@dataclass(frozen=True)
class Allowed:
    """The numbers that an argument may be.

    Attributes:
        kind: int or float; an integer is a float too.
        holds: A function of a number: whether it is one of them.
        words: What they are, as in "must be a positive integer".
    """

    kind: type[int] | type[float]
    holds: Callable[[Any], bool]
    words: str


def integers(lowest: int, highest: int) -> Allowed:
    """The integers from `lowest` to `highest`, which is one of them."""
    return Allowed(
        int,
        lambda value: lowest <= value <= highest,
        f"an integer from {lowest} to {highest}",
    )


def numbers_from_0_to(highest: int) -> Allowed:
    """The numbers from 0 to `highest`, which is one of them."""
    return Allowed(
        float,
        lambda value: 0 <= value <= highest,
        f"a number from 0 to {highest}",
    )


POSITIVE_INTEGER = Allowed(int, lambda value: value >= 1, "a positive integer")
POSITIVE_NUMBER = Allowed(
    float, lambda value: 0 < value < float("inf"), "a positive number"
)
SHARE = numbers_from_0_to(1)
POSITIVE_SHARE = Allowed(
    float, lambda value: 0 < value <= 1, "more than 0 and at most 1"
)


def limited(allowed: Allowed) -> dict[str, Any]:
    """The metadata of a dataclass' field for the numbers of an `Allowed`.

    `check_limits` refuses others, but for the default.
    """
    return {"allowed": allowed}


def check_limits(record: Any) -> None:
    """A UserError for a field that is not what `limited` allows."""
    for field in dataclasses.fields(record):
        allowed = field.metadata.get("allowed")
        value = getattr(record, field.name)
        if allowed is not None and value is not field.default:
            check_number(field.name, value, allowed)


def check_number(name: str, value: Any, allowed: Allowed) -> None:
    kinds = (int, float) if allowed.kind is float else (int,)
    if type(value) not in kinds or not allowed.holds(value):
        raise UserError(
            f"{name} must be {allowed.words}. Received: {value!r}",
            argument=name,
        )


def check_positive(**arguments: Any) -> None:
    """A UserError for an argument that is not a positive integer."""
    for name, value in arguments.items():
        check_number(name, value, POSITIVE_INTEGER)


def check_choice(argument: str, value: T, allowed: Iterable[Any]) -> T:
    """Returns `value`; a ValueError if it is not among those allowed."""
    if value in allowed:
        return value
    names = ", ".join(map(repr, allowed))
    raise UserError(
        f"{argument} must be one of {names}. Received: {value!r}."
        f"{did_you_mean(value, allowed)}"
    )


def did_you_mean(value: Any, allowed: Iterable[Any]) -> str:
    """A question about the nearest of the names; "" where none is near."""
    close = difflib.get_close_matches(str(value), map(str, allowed), 1)
    return f" Did you mean {close[0]!r}?" if close else ""


def dataclass_from_json(kind: type[T], values: Any, where: str) -> T:
    """A dataclass from the values of a JSON file, names and types checked.

    A field that is missing takes its default: it is newer than the file.

    Args:
        kind: The dataclass; its annotations are types.
        values: A dict.
        where: What holds them, for the error.

    Raises:
        UserError: If a value without a default is missing, or one is unknown
            or of another type.
    """
    if not isinstance(values, dict):
        raise UserError(f"{where} must be a dict. Found: {values!r}")
    record: Any = kind
    fields = {field.name: field for field in dataclasses.fields(record)}
    missing = [
        name
        for name, field in fields.items()
        if name not in values
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise UserError(f"{where} lacks {', '.join(missing)}")
    unknown = [name for name in values if name not in fields]
    if unknown:
        raise UserError(
            f"{where} was written by a newer version of keras_convmixer. "
            f"Unknown: {', '.join(unknown)}"
        )
    for name, value in values.items():
        allowed: Any = fields[name].type
        whole_is_fine = allowed is float and type(value) is int
        if not isinstance(value, allowed) and not whole_is_fine:
            raise UserError(
                f"{name} of {where} must be {allowed}. Found: {value!r}"
            )
    return kind(**values)
