"""The names of classes: one form for each, whatever wrote them."""

import unicodedata

# Control characters, halves of characters, separators of lines, paragraphs.
REFUSED = ("Cc", "Cs", "Zl", "Zp")


def normalize_class(name):
    """The composed form of a name: macOS may write the decomposed one."""
    return unicodedata.normalize("NFC", name)


def is_one_line(name):
    """Whether it is text without control characters and line breaks."""
    return not any(unicodedata.category(char) in REFUSED for char in name)
