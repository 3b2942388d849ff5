"""The folder that a training writes and an export reads."""

import csv
import dataclasses
import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from keras_convmixer.data import Source
from keras_convmixer.files import remove, write_json, write_text
from keras_convmixer.recipes import Recipe

PACKAGES = ("keras", "tensorflow", "tensorflow-datasets", "numpy")


@dataclass(frozen=True)
class Plan:
    """All that a training depends on.

    Attributes:
        recipe: A `Recipe`.
        source: The `Source` of the images.
        seed: Of the weights, the order and the augmentation.
        weights: What to start from: a name, a file or None.
        limit_steps: Steps an epoch at most, or None.
        replicas: Their number; None for all GPUs, or one CPU.
        freeze: Blocks that stay as they are, with the stem; None for no stem.
        mixed_precision: "float16", "bfloat16" or None.
        tensorboard: Whether TensorBoard's logs are written.
    """

    recipe: Recipe
    source: Source
    seed: int = 0
    weights: str | None = None
    limit_steps: int | None = None
    replicas: int | None = None
    freeze: int | None = None
    mixed_precision: str | None = None
    tensorboard: bool = False


class RunFolder:
    """`config.json`, `best.keras`, `history.csv`, `metrics.json`,
    `labels.txt`, `plots/` and, once exported, `export/`; `backup.weights.h5`
    until the training ends.

    Args:
        path: The folder.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.name = self.path.resolve().name
        self.model = self.path / "best.keras"
        self.backup = self.path / "backup.weights.h5"
        self.history = self.path / "history.csv"
        self.metrics = self.path / "metrics.json"
        self.labels = self.path / "labels.txt"
        self.plots = self.path / "plots"
        self.tensorboard = self.path / "tensorboard"
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

    def write_plan(self, plan, data, replicas):
        """Writes all that is needed to repeat the training."""
        write_text(self.labels, "".join(f"{c}\n" for c in data.classes))
        plan = dataclasses.replace(
            plan, source=plan.source.absolute(), replicas=replicas
        )
        write_json(
            self._config,
            {
                **dataclasses.asdict(plan),
                "classes": data.classes,
                "held_out": data.held_out_split,
                "versions": {
                    "python": platform.python_version(),
                    **{name: version(name) for name in PACKAGES},
                },
            },
        )

    def read_plan(self):
        """The `Plan` of the training.

        Raises:
            ValueError: If the folder is not that of a training.
        """
        config = self._read_config()
        fields = {field.name for field in dataclasses.fields(Plan)}
        plan = {name: config[name] for name in config if name in fields}
        plan["recipe"] = Recipe(**config["recipe"])
        plan["source"] = Source(**config["source"])
        return Plan(**plan)

    def reopen(self):
        """The plan of a training that stopped; removes its unfinished files.

        Once there is a backup, no weights to start from are needed.

        Raises:
            ValueError: If the training came to its end.
        """
        if self.metrics.is_file():
            raise ValueError(
                f"{self.path} is finished: it has a {self.metrics.name}"
            )
        plan = self.read_plan()
        for path in self.path.glob(".*"):
            remove(path)
        if self.backup.is_file():
            plan = dataclasses.replace(plan, weights=None)
        return plan

    def keep_history(self, epochs):
        """Cuts the history down to the first `epochs`.

        Returns:
            The best held-out accuracy of these epochs; None for no epoch.
        """
        if epochs == 0:
            self.history.unlink(missing_ok=True)
            return None
        lines = self.history.read_text().splitlines()[: 1 + epochs]
        write_text(self.history, "".join(f"{line}\n" for line in lines))
        return max(float(row["val_accuracy"]) for row in csv.DictReader(lines))

    def _read_config(self):
        if not self._config.is_file():
            raise ValueError(
                f"{self.path} is not the folder of a training: it has no "
                f"{self._config.name}"
            )
        return json.loads(self._config.read_text())

    def read(self):
        """What was trained, on what.

        Returns:
            `(model, recipe, data)`: the best `keras.Model`, its `Recipe` and
            the `ImageData` that it was trained on.

        Raises:
            ValueError: If the folder is not that of a training.
        """
        import keras

        plan = self.read_plan()
        if not self.model.is_file():
            raise ValueError(
                f"{self.path} holds no trained model yet: it has no "
                f"{self.model.name}"
            )
        model = keras.saving.load_model(self.model, compile=False)
        data = plan.source.load(plan.recipe.image_size)
        if data.classes != self._read_config()["classes"]:
            raise ValueError(
                f"{self.path} was trained on other classes than "
                f"{data.name} has now"
            )
        return model, plan.recipe, data
