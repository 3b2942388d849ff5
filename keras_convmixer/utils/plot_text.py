"""Names of classes and files in plots: they can have any characters."""

import contextlib
import functools
import sys
import unicodedata

import matplotlib
from matplotlib import font_manager

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MAX_LENGTH = 40  # Longer names leave no room for the plot.


@contextlib.contextmanager
def drawable(names):
    """Within it Matplotlib draws names as they are, on axes made there.

    It reads no text as a formula and takes characters that its font lacks
    from other installed fonts. Control characters, bytes that are not UTF-8
    and characters that no font has become replacement characters. Long names
    lose their middle. It yields the names as they can be drawn.

    Example:
        >>> with drawable(["Kesha", "Bada$$"]) as names:
        ...     figure.subplots().set_title(" and ".join(names))
    """
    names = [without_controls(name) for name in names]
    fonts = matplotlib.rcParams["font.family"]
    families, missing = fonts_for(frozenset("".join(names)), tuple(fonts))
    if missing:
        report_missing(missing)
    table = str.maketrans(dict.fromkeys(missing, REPLACEMENT))
    options = {
        "text.parse_math": False,
        "text.usetex": False,
        "font.family": [*fonts, *families],
    }
    with matplotlib.rc_context(options):
        yield [abbreviate(name.translate(table)) for name in names]


def without_controls(name):
    return "".join(
        # Cs: surrogates, which stand for bytes that are not UTF-8.
        REPLACEMENT if unicodedata.category(c) in {"Cc", "Cs"} else c
        for c in name
    )


def abbreviate(name):
    if len(name) <= MAX_LENGTH:
        return name
    half = MAX_LENGTH // 2
    return f"{name[:half]}…{name[1 - half :]}"


@functools.cache
def fonts_for(characters, first):
    """Installed fonts that have the characters that the `first` ones lack.

    Returns:
        `(families, missing)`: the names of the fonts, and the characters that
        no font has, as a string.
    """
    properties = font_manager.FontProperties(family=list(first))
    missing = characters - characters_of(font_manager.findfont(properties))
    families = []
    if missing:
        upright = [
            font
            for font in font_manager.fontManager.ttflist
            if font.style == "normal" and "LastResort" not in font.fname
        ]
        upright.sort(key=lambda font: abs(int(font.weight) - 400))
        for font in upright:
            if found := missing & characters_of(font.fname):
                families.append(font.name)
                missing -= found
    return families, "".join(sorted(missing))


@functools.cache
def characters_of(path):
    """Those that a font file has; none where it can't be drawn with."""
    try:
        font = font_manager.get_font(path)
    except (OSError, RuntimeError):
        return frozenset()
    if not font.scalable:  # Pictures of one size, such as emoji.
        return frozenset()
    return frozenset(map(chr, font.get_charmap()))


@functools.cache
def report_missing(characters):
    shown = " ".join(characters[:10]) + (" ..." if characters[10:] else "")
    print(
        f"no installed font has the characters {shown}: plots show "
        f"{REPLACEMENT} for them. A font such as Noto Sans CJK may have them.",
        file=sys.stderr,
    )
