"""The `config.json` of a run folder, in every format that was written."""

import dataclasses
import platform
import sys
from dataclasses import dataclass, field
from typing import Any

from keras_convmixer.data.source import Source
from keras_convmixer.runs.plan import Plan
from keras_convmixer.runs.recipe import Recipe
from keras_convmixer.utils.checks import UserError, dataclass_from_json
from keras_convmixer.utils.text import normalize_class

# Of `config.json`. Version 0.1.0 wrote none, which counts as 0. A field that a
# file lacks takes its default: where a default changes, files of the formats
# before have to keep the old one.
FORMAT = 1
PACKAGES = ("keras", "tensorflow", "tensorflow-datasets", "jax", "numpy")


@dataclass(frozen=True)
class Config:
    """What `config.json` holds.

    Attributes:
        plan: The `Plan` of the training.
        classes: Names of the classes.
        held_out: Which images are held out, in words.
        test: Which images are the test part, in words, or None.
        versions: Those of the packages that were used, by name.
        machine: Of the machine that began the training: its `replicas`.
    """

    plan: Plan
    classes: list
    held_out: str
    test: str | None = None
    versions: dict = field(default_factory=dict)
    machine: dict = field(default_factory=dict)

    @classmethod
    def from_json(cls, values: Any) -> "Config":
        """The `Config` in the contents of a `config.json` of any format.

        Raises:
            UserError: If it is not one, or a newer version wrote it.
        """
        if not isinstance(values, dict):
            raise UserError(f"it must be a dict. Received: {values!r}")
        values = dict(values)
        number = values.pop("format", 0)
        if type(number) is not int or number < 0:
            raise UserError(f"its format must be a number. Found: {number!r}")
        if number > FORMAT:
            raise UserError(
                f"it has format {number}, and this version of keras_convmixer "
                f"reads formats up to {FORMAT}: upgrade keras_convmixer"
            )
        for name, kind in (("recipe", Recipe), ("source", Source)):
            part = values.get(name)
            values[name] = dataclass_from_json(kind, part, f"its {name}")
        names = {field.name for field in dataclasses.fields(Plan)}
        plan = {name: values.pop(name) for name in names & set(values)}
        values["plan"] = dataclass_from_json(Plan, plan, "it")
        if number == 0 and isinstance(values.get("classes"), list):
            # They were as the file system has them.
            values["classes"] = [normalize_class(n) for n in values["classes"]]
        return dataclass_from_json(cls, values, "it")

    def as_json(self) -> dict[str, Any]:
        values = dataclasses.asdict(self)
        return {"format": FORMAT} | values.pop("plan") | values


def package_versions() -> dict[str, str]:
    """The versions of Python and of the packages that are imported.

    They are the modules' own: TensorFlow's package has one of several names.
    """
    return {"python": platform.python_version()} | {
        name: module.__version__
        for name in PACKAGES
        if (module := sys.modules.get(name.replace("-", "_")))
    }
