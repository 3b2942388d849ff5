"""Text that can be printed and drawn, and names."""

import os


def printable(path):
    """A path, or text with one, where bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def unique(name, taken):
    """The name, or one with a number, which is added to the set `taken`."""
    candidate, count = name, 0
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}"
    taken.add(candidate)
    return candidate
