"""Checks of arguments, with errors that say what is allowed."""

import difflib


def one_of(argument, value, allowed):
    """Returns `value`; a ValueError if it is not among those allowed."""
    if value in allowed:
        return value
    close = difflib.get_close_matches(str(value), [str(a) for a in allowed], 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    names = ", ".join(map(repr, allowed))
    raise ValueError(
        f"{argument} must be one of {names}. Received: {value!r}.{hint}"
    )


def check_positive(**arguments):
    """A ValueError for an argument that is not a positive integer."""
    for name, value in arguments.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < 1:
            raise ValueError(
                f"{name} must be a positive integer. Received: {value!r}"
            )
