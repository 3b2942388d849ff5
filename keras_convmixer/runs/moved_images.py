"""Images of a run that were moved since it was trained."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_convmixer.data.index import TEST, IndexedImage
from keras_convmixer.data.source import Source
from keras_convmixer.utils.checks import UserError


def moved(source: Source, places: Mapping[str, Any], run: Path) -> Source:
    """A run's `Source` with some of its folders in other places.

    Args:
        source: The `Source`.
        places: Paths by the field: "image_folder", "test_folder", "data_dir".
        run: Path of the run folder, for errors.

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
    """An index with the paths to a test folder that may have been moved."""
    path = os.path.relpath(test_folder, image_folder)
    place = Path(path).as_posix()

    def moved_row(row: IndexedImage) -> IndexedImage:
        if row.part != TEST:
            return row
        *_, folder, name = row.file.split("/")
        return dataclasses.replace(row, file=f"{place}/{folder}/{name}")

    return [moved_row(row) for row in index]
