"""The folder that a training writes and an export reads."""

import contextlib
import csv
import dataclasses
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from keras_convmixer.data.index import write_index
from keras_convmixer.runs.config import Config, package_versions
from keras_convmixer.runs.moved_images import load_images
from keras_convmixer.runs.plan import Plan
from keras_convmixer.runs.recipe import Recipe
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.cluster import is_chief
from keras_convmixer.utils.commands import command
from keras_convmixer.utils.files import (
    exclusive,
    replacing,
    temporary_folder,
    write_bytes,
    write_json,
    write_text,
)
from keras_convmixer.utils.types import StrPath
from keras_convmixer.weights import load_weights

if TYPE_CHECKING:
    import keras

    from keras_convmixer.data.image_data import ImageData


class RunFolder:
    """The folder that a training writes.

    It has `config.json`, `model.keras`, `history.csv`, `metrics.json`,
    `labels.txt`, `plots/` and, once exported, `export/`; `images.csv`, the
    index, where the images are those of a folder; `backup.weights.h5` and, at
    the end, `uncalibrated.keras` until the training is finished.

    Args:
        path: The folder, as a string, a path or a `RunFolder`.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = Path(path)
        self.name = self.path.resolve().name
        self.model_path = self.path / "model.keras"
        self.uncalibrated_path = self.path / "uncalibrated.keras"
        self.backup_path = self.path / "backup.weights.h5"
        self.history_path = self.path / "history.csv"
        self.metrics_path = self.path / "metrics.json"
        self.labels_path = self.path / "labels.txt"
        self.index_path = self.path / "images.csv"
        self.plots_folder = self.path / "plots"
        self.tensorboard_folder = self.path / "tensorboard"
        self.export_folder = self.path / "export"
        self.config_path = self.path / "config.json"

    def __fspath__(self) -> str:
        return str(self.path)

    @classmethod
    def new(
        cls,
        path: StrPath | None,
        plan: Plan,
        data: "ImageData",
        replicas: int,
    ) -> Self:
        """A folder with all that is needed to repeat a training.

        Args:
            path: Where to; None for `runs/NAME`, `runs/NAME_2`, ...
            plan, data: What is trained, and the images of it.
            replicas: Their number on this machine, for the record.

        Raises:
            UserError: If something is at `path` already.
        """
        path = Path(path or free_path(data.name))
        check_empty(path)
        plan = dataclasses.replace(plan, source=plan.source.absolute())
        config = Config(
            plan=plan,
            classes=data.classes,
            held_out=data.held_out_split,
            test=data.test_split,
            versions=package_versions(),
            machine={"replicas": replicas},
        )
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(path.parent) as folder:
            run = cls(folder / path.name)
            run.path.mkdir()
            run.write_config(config)
            labels = "".join(f"{name}\n" for name in data.classes)
            write_text(run.labels_path, labels)
            if data.index is not None:
                write_index(run.index_path, data.index)
            try:
                run.path.rename(path)
            except OSError:
                check_empty(path)  # Another process was faster.
                raise
        return cls(path)

    def read_config(self) -> Config:
        """The `Config` of the training.

        Raises:
            UserError: If the folder is not that of a training, or a newer
                version wrote it.
        """
        if not self.config_path.is_file():
            raise UserError(
                f"{self.path} is not the folder of a training: it has no "
                f"{self.config_path.name}"
            )
        try:
            values = json.loads(self.config_path.read_text(encoding="utf-8"))
            return Config.from_json(values)
        except ValueError as error:
            raise UserError(
                f"{self.config_path} can't be read: {error}"
            ) from None

    def write_config(self, config: Config) -> None:
        """Writes `config.json`."""
        write_json(self.config_path, config.as_json())

    def in_use(self) -> contextlib.AbstractContextManager[None]:
        """Has the folder to oneself, on the machine that writes it.

        Raises:
            UserError: If the folder is not that of a training, or another
                process has it.
        """
        if not is_chief():
            return contextlib.nullcontext()
        self.read_config()  # Other folders stay as they are.
        return exclusive(self.path, self.plots_folder)

    def read_plan(self) -> Plan:
        """The `Plan` of a training that stopped.

        Once there is a backup, no weights to start from are needed.

        Raises:
            UserError: If the folder is not that of a training, or the
                training came to its end.
        """
        # The plots, after which the backup goes, are drawn after metrics.json.
        if self.metrics_path.is_file() and not self.backup_path.is_file():
            raise UserError(
                f"{self.path} is finished: it has a {self.metrics_path.name}. "
                "To train further, start a new run from its weights: "
                f"{command('train', '--weights', self.model_path)}"
            )
        plan = self.read_config().plan
        if self.backup_path.is_file():
            plan = dataclasses.replace(plan, weights=None)
        return plan

    def keep_history(self, epochs: int) -> float | None:
        """Cuts the history down to the first `epochs`.

        Returns:
            Their best held-out accuracy; None for no epoch.
        """
        if epochs == 0:
            self.history_path.unlink(missing_ok=True)
            return None
        rows = self.history_path.read_bytes().splitlines(keepends=True)
        contents = b"".join(rows[: 1 + epochs])
        write_bytes(self.history_path, contents)
        lines = contents.decode().splitlines()
        return max(float(row["val_accuracy"]) for row in csv.DictReader(lines))

    def trained_model(self, path: Path | None = None) -> "keras.Model":
        """The `keras.Model` that was kept, or another of the same training.

        It is built as the configuration says; from the file come weights only.

        Args:
            path: The other's `.keras` file.

        Raises:
            UserError: If there is none, or its weights don't fit.
        """
        config, path = self.read_config(), path or self.model_path
        if not path.is_file():
            raise UserError(
                f"{self.path} holds no trained model yet: it has no {path.name}"
            )
        model = config.plan.recipe.build(len(config.classes))
        load_weights(model, path, new_head=False)
        return model

    def uncalibrated_model(self) -> "keras.Model":
        """The `keras.Model` that was kept, as it was trained.

        A finished run no longer has it, but for one without calibration.
        """
        path = self.uncalibrated_path
        return self.trained_model(path if path.is_file() else None)

    def save_calibrated(self, model: "keras.Model") -> None:
        """Puts a calibrated model in the place of the one that was kept.

        That one stays as well until the training is finished: who goes on
        after a kill does not calibrate what is calibrated already.
        """
        if not self.uncalibrated_path.is_file():
            with replacing(self.uncalibrated_path) as temporary:
                shutil.copyfile(self.model_path, temporary)
        with replacing(self.model_path) as temporary:
            model.save(temporary)

    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` has: a dict, empty until the training ends."""
        if not self.metrics_path.is_file():
            return {}
        return json.loads(self.metrics_path.read_text(encoding="utf-8"))

    def remove_backups(self) -> None:
        """Removes what only a training that goes on needs."""
        # First the backup: without it the training is finished, and none
        # calibrates a calibrated model.
        self.backup_path.unlink()
        self.uncalibrated_path.unlink(missing_ok=True)

    def read(
        self, **places: StrPath | None
    ) -> tuple["keras.Model", Recipe, "ImageData"]:
        """What was trained, on what: `trained_model`, its `Recipe`, `data`."""
        plan = self.read_config().plan
        return self.trained_model(), plan.recipe, self.data(**places)

    def data(self, **places: StrPath | None) -> "ImageData":
        """The `ImageData` of the training.

        Args:
            places: Where its images are now, if they were moved: the
                `image_folder`, `test_folder` or `data_dir` of a `Source`.
                The folder keeps a note of it.

        Raises:
            UserError: If the images are no longer those.
        """
        return load_images(self, places)


def free_path(name: str) -> Path:
    """The first of `runs/NAME`, `runs/NAME_2` and so on that is free."""
    path, number = Path("runs", name), 1
    while path.exists():
        number += 1
        path = Path("runs", f"{name}_{number}")
    return path


def check_empty(path: StrPath) -> None:
    """A UserError if something is at `path` already."""
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(
            f"the run folder must be a new or empty folder. Received: {path}",
            argument="run",
        )
