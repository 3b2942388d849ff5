"""What the API reference of the site shows beside the docstrings' own text.

`mkdocs.yml` names this file as an extension of Griffe, which reads the sources
without importing them.
"""

import re
import sys
import textwrap
from pathlib import Path

import griffe

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from keras_convmixer.variants import VARIANTS

EXAMPLE = re.compile(r"^Example:\n+(.*)\Z", re.MULTILINE | re.DOTALL)
DIRECTIVE = re.compile(r" +# doctest: .*")
NAMES = re.compile(r"^    \w+(?:, \w+)+:", re.MULTILINE)


class SiteDocstrings(griffe.Extension):
    """Examples become blocks of code, the named networks get a docstring."""

    def on_object(self, *, obj, **kwargs):
        """Changes the docstring of an object when it was read."""
        if obj.docstring:
            obj.docstring.value = readable(obj.docstring.value)

    def on_attribute_instance(self, *, attr, **kwargs):
        """Describes a network that `applications` builds by its name."""
        variant = VARIANTS.get(attr.name.lower())
        if variant and attr.parent.name == "applications":
            attr.docstring = griffe.Docstring(
                network_text(variant), parent=attr
            )


def readable(text):
    """A docstring as Griffe and Markdown read it.

    The example at its end becomes a fenced block. `a, b: Both.` keeps its names
    together: after a space Griffe expects a type.
    """
    text = NAMES.sub(lambda match: match[0].replace(", ", ",\u00a0"), text)
    return EXAMPLE.sub(fenced, text)


def fenced(match):
    code = DIRECTIVE.sub("", textwrap.dedent(match[1])).strip()
    language = "pycon" if code.startswith(">>>") else "python"
    return f"**Example**\n\n```{language}\n{code}\n```"


def network_text(variant):
    size = variant.image_size
    values = {
        **variant.arguments,
        "input_shape": (size, size, 3),
        "classes": variant.classes,
    }
    defaults = ", ".join(f"`{key}={value!r}`" for key, value in values.items())
    return (
        f"`ConvMixer` of {variant.dim} channels and {variant.depth} blocks.\n\n"
        f"Takes the arguments of `ConvMixer`, by name. Defaults: {defaults}."
    )
