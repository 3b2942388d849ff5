"""The images of a run, which may have been moved since it was trained."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_convmixer.data.index import (
    TEST,
    IndexedImage,
    read_index,
    write_index,
)
from keras_convmixer.data.source import Source
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.cluster import is_chief
from keras_convmixer.utils.text import normalize_class

if TYPE_CHECKING:
    from keras_convmixer.data.image_data import ImageData
    from keras_convmixer.runs.run_folder import RunFolder


def load_images(run: "RunFolder", places: Mapping[str, Any]) -> "ImageData":
    """The `ImageData` of a run's training, as `RunFolder.data` returns it."""
    config = run.read_config()
    plan = config.plan
    places = {name: place for name, place in places.items() if place}
    source = moved(plan.source, places, run.path)
    recorded = read_index(run.index_path) if run.index_path.is_file() else None
    index = recorded
    if recorded and source.test_folder and source != plan.source:
        index = with_test_folder(
            recorded, source.test_folder, source.image_folder
        )
    data = source.load(plan.recipe.image_size, index)
    parts = {
        "held_out": data.held_out_split,
        # The index has the paths from one folder to the other.
        "test": data.test_split if index == recorded else config.test,
        "classes": data.classes,
    }
    for name, found in parts.items():
        if (was := getattr(config, name)) != found:
            raise UserError(
                f"{data.name} has changed since {run.path} was trained, "
                f"so what was held out is unknown. Then: {was}. Now: {found}"
            )
    if places and is_chief():
        if index and index != recorded:
            write_index(run.index_path, index)
        plan = dataclasses.replace(plan, source=source)
        run.write_config(
            dataclasses.replace(config, plan=plan, test=data.test_split)
        )
    return data


def moved(source: Source, places: Mapping[str, Any], run: Path) -> Source:
    """A run's `Source` with some of its folders in other places.

    Raises:
        UserError: If the run has no such folder, or its images are not there.
    """
    for name, place in places.items():
        has_it = getattr(source, name)
        if name == "data_dir":
            has_it = source.dataset not in (None, "digits")
        if not has_it:
            raise UserError(
                f"{run} was trained on {source.dataset or source.image_folder}"
                f": it has no {name} that can be moved. Received: {place}",
                argument=name,
            )
    source = dataclasses.replace(source, **places).absolute()
    for name in ("image_folder", "test_folder"):
        place = getattr(source, name)
        if place and not Path(place).is_dir():
            raise UserError(
                f"the images of {run} are not in {place}: it must be a folder. "
                f"--{name.replace('_', '-')} says where they are now",
                argument=name,
            )
    return source


def with_test_folder(
    index: list[IndexedImage], test_folder: str, image_folder: str | None
) -> list[IndexedImage]:
    """An index with the paths to a test folder that was moved."""
    place = Path(os.path.relpath(test_folder, image_folder)).as_posix()

    def moved_row(row: IndexedImage) -> IndexedImage:
        folders = row.file.split("/")
        while row.name in map(normalize_class, folders[1:-1]):
            del folders[0]  # From the folder of its class on it is the same.
        return dataclasses.replace(row, file="/".join([place, *folders]))

    return [moved_row(row) if row.part == TEST else row for row in index]
