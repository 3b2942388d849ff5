"""Text that can be printed and drawn."""

import os


def printable(path):
    """A path as text; bytes of a file's name that are not UTF-8 are replaced.

    Args:
        path: A path, or a text that holds one.
    """
    return os.fsencode(path).decode("utf-8", "replace")
