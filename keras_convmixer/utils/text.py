"""Text that can be printed and drawn, and names."""

import os
import unicodedata

# Control characters, halves of characters, separators of lines, paragraphs.
NO_LINE = ("Cc", "Cs", "Zl", "Zp")


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


def normalize_class(name):
    """The composed form of a class name: macOS may write the decomposed one."""
    return unicodedata.normalize("NFC", name)


def is_one_line(name):
    """Whether it is text without control characters and line breaks."""
    return not any(unicodedata.category(char) in NO_LINE for char in name)
