"""The folder that a training writes and an export reads."""

import dataclasses
import json
import platform
from importlib.metadata import version
from pathlib import Path

from keras_convmixer.data import Source
from keras_convmixer.files import write_json, write_text
from keras_convmixer.recipes import Recipe

PACKAGES = ("keras", "tensorflow", "tensorflow-datasets", "numpy")


class RunFolder:
    """`config.json`, `best.keras`, `history.csv`, `metrics.json`,
    `labels.txt`, `plots/` and, once exported, `export/`.

    Args:
        path: The folder.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.name = self.path.resolve().name
        self.model = self.path / "best.keras"
        self.history = self.path / "history.csv"
        self.metrics = self.path / "metrics.json"
        self.labels = self.path / "labels.txt"
        self.plots = self.path / "plots"
        self.export = self.path / "export"
        self._config = self.path / "config.json"

    @classmethod
    def new(cls, path, name):
        """A folder at `path`, or at `runs/NAME`, `runs/NAME_2`, ...

        Raises:
            ValueError: If something is at `path` already.
        """
        if path is None:
            path, number = Path("runs", name), 1
            while path.exists():
                number += 1
                path = Path("runs", f"{name}_{number}")
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ValueError(f"run must be a new or empty folder, not {path}")
        path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    def write_config(self, recipe, source, data, **others):
        """Writes all that is needed to repeat the training."""
        write_text(self.labels, "".join(f"{c}\n" for c in data.classes))
        write_json(
            self._config,
            {
                "recipe": dataclasses.asdict(recipe),
                "source": dataclasses.asdict(source.absolute()),
                "classes": data.classes,
                "held_out": data.held_out_split,
                **others,
                "versions": {
                    "python": platform.python_version(),
                    **{name: version(name) for name in PACKAGES},
                },
            },
        )

    def read(self):
        """What was trained, on what.

        Returns:
            `(model, recipe, data)`: the best `keras.Model`, its `Recipe` and
            the `ImageData` that it was trained on.

        Raises:
            ValueError: If the folder is not that of a training.
        """
        import keras

        for file in (self._config, self.model):
            if not file.is_file():
                raise ValueError(
                    f"{self.path} is not the folder of a training: it has no "
                    f"{file.name}"
                )
        config = json.loads(self._config.read_text())
        recipe = Recipe(**config["recipe"])
        model = keras.saving.load_model(self.model, compile=False)
        data = Source(**config["source"]).load(recipe.image_size)
        if data.classes != config["classes"]:
            raise ValueError(
                f"{self.path} was trained on other classes than "
                f"{data.name} has now"
            )
        return model, recipe, data
