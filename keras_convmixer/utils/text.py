"""Text that can be printed and drawn, and names."""

import os


def printable(path):
    """A path as text; bytes of a file's name that are not UTF-8 are replaced.

    Args:
        path: A path, or a text that holds one.
    """
    return os.fsencode(path).decode("utf-8", "replace")


def unique(name, taken):
    """The name, or one with a number; it is taken from now on.

    Args:
        name: The name.
        taken: A set of names, to which it is added.
    """
    candidate, count = name, 0
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}"
    taken.add(candidate)
    return candidate
