"""The names of classes: one form for each, whatever wrote them."""

import unicodedata

from keras_convmixer.utils.checks import UserError

# Control characters, halves of characters, separators of lines, paragraphs.
REFUSED = ("Cc", "Cs", "Zl", "Zp")


def normalize_class(name):
    """The composed form of a name: macOS may write the decomposed one."""
    return unicodedata.normalize("NFC", name)


def is_one_line(name):
    """Whether it is text without control characters and line breaks."""
    return not any(unicodedata.category(char) in REFUSED for char in name)


def check_class_name(name):
    """A UserError for a name that no line of a text file can hold."""
    if not is_one_line(name):
        raise UserError(
            f"{name!r} can't be the name of a class: it must be text without "
            "control characters and line breaks"
        )
