"""Two paths change places."""

import ctypes
import os
import sys

AT_FDCWD = -100  # Relative paths begin in the current folder.
RENAME_EXCHANGE = 2  # Linux: renameat2(2).
RENAME_SWAP = 2  # macOS: renamex_np(2).


def exchange(first, second):
    """Has two files or folders change places, as one step where it can be.

    Linux and macOS have a call for it, so that whenever a process is killed
    both paths are there. On Windows, and on file systems that lack it, the
    second path is away for a moment, as a sibling of the first whose name
    ends in ".old".

    Args:
        first, second: Paths on one disk, with something at each.
    """
    if exchange_at_once(os.fsencode(first), os.fsencode(second)):
        return
    old = first.with_name(f"{first.name}.old")
    second.rename(old)
    first.rename(second)
    old.rename(first)


def exchange_at_once(first, second):
    """Whether the system did it."""
    if sys.platform == "win32":
        return False
    system = ctypes.CDLL(None)
    if sys.platform == "darwin":
        return system.renamex_np(first, second, RENAME_SWAP) == 0
    renameat2 = getattr(system, "renameat2", None)  # Not in older C libraries.
    if renameat2 is None:
        return False
    return renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE) == 0
