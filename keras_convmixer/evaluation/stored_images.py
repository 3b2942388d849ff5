"""Images to be scored: those of a folder, or of a data set's split."""

import collections
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np

from keras_convmixer.data.crop import center_crop
from keras_convmixer.data.decode import read_image
from keras_convmixer.data.folders import (
    class_folders,
    find_parts,
    skip_notes,
)
from keras_convmixer.data.image_files import image_files
from keras_convmixer.data.index import TEST, TRAIN
from keras_convmixer.evaluation.collect import Batch
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.processors import num_cpus

BATCH_SIZE = 64


@dataclass(frozen=True)
class StoredImage:
    """An image as it is stored.

    Attributes:
        name: What the reports call it: its path in the folder, or the split
            and its number there.
        label: The name of its class, or None.
        path: Its file, or for messages what stands for it.
        contents: What is in the file, where that was read before.
    """

    name: str
    label: str | None
    path: Path | str
    contents: bytes | None = None

    def read(self) -> np.ndarray:
        """Its pixels, uint8 `[height, width, 3]`, upright."""
        return read_image(self.path, self.contents)


@dataclass(frozen=True)
class EvaluationSet:
    """Images to be scored, of which none is kept.

    Attributes:
        name: What they are called.
        classes: The names of their classes; empty where they are unknown.
        count: How many they are.
        each: A function that gives them, in the same order each time.
    """

    name: str
    classes: list[str]
    count: int
    each: Callable[[], Iterator[StoredImage]]

    def batches(self, size: int, indices: Mapping[Any, int]) -> Iterator[Batch]:
        """Batches of images, read while a model works on the batch before.

        Args:
            size: Height and width of the squares in pixels.
            indices: Labels by the names of the classes.

        Returns:
            An iterator over `Batch`es of squares uint8 `[N, size, size, 3]`,
            as evaluation sees them. A class without a label has -1.
        """

        def square(image):
            try:
                return image, center_crop(image.read(), size)
            except UserError as error:
                return image, error

        def batch(results):
            readable, unreadable = [], []
            for image, result in results:
                if isinstance(result, UserError):
                    unreadable.append(str(result))
                else:
                    readable.append((image, result))
            labels = [indices.get(image.label, -1) for image, _ in readable]
            return Batch(
                images=np.array([pixels for _, pixels in readable]),
                labels=np.array(labels, int),
                stored=[image for image, _ in readable],
                unreadable=unreadable,
            )

        with ThreadPool(num_cpus()) as threads:
            images, ahead = self.each(), None
            while chunk := list(itertools.islice(images, BATCH_SIZE)):
                before, ahead = ahead, threads.map_async(square, chunk)
                if before:
                    yield batch(before.get())
            if ahead:
                yield batch(ahead.get())


def folder_images(root):
    """The `EvaluationSet` of ROOT/CLASS/ and the folders below, or of ROOT.

    Where there are folders, each is a class; where there are none, the classes
    are unknown. Of a folder with the parts of a training it is those of the
    test part. What is skipped is printed.

    Raises:
        UserError: If there is no image, or no test part.
    """
    given = root = Path(root)
    places, ignored = find_parts(root)
    has_parts = places != {TRAIN: ""}
    if has_parts:
        if TEST not in places:
            first = next(iter(places.values()))
            raise UserError(
                f"image_folder {root} has parts, but no test: give one of "
                f"them, as {root / first}"
            )
        root = root / places[TEST]
    # Without folders of classes, those of the folder itself.
    folders = class_folders(root) or {None: ""}

    def each(skipped):
        for name, folder in folders.items():
            for file, _ in image_files(root / folder, skipped):
                path = root / folder / file
                yield StoredImage(str(path.relative_to(root)), name, path)

    skipped = collections.Counter()
    count = sum(1 for _ in each(skipped))
    classes = [name for name in folders if name is not None]
    for note in skip_notes(skipped, ignored, [root] if classes else []):
        print(note)
    if not count:
        raise UserError(
            f"image_folder {given} must hold pictures, or a folder of them "
            f"for each class. Found: {classes}"
        )
    name = root.resolve().relative_to(given.resolve().parent).as_posix()
    return EvaluationSet(
        name, classes, count, lambda: each(collections.Counter())
    )


def dataset_images(source, split):
    """The `EvaluationSet` of a split of a data set.

    Args:
        source: A `Source`.
        split: A split of tensorflow-datasets, "test" or "test[:100]" for
            instance; None for "test", or the held-out part of the digits.

    Raises:
        UserError: If there is no such set or split.
        ConnectionError: If the set has to be downloaded and nothing answers.
    """
    if source.dataset == "digits":
        if split:
            raise UserError(f"--split: digits has none. Received: {split!r}")
        data, split = source.load(8), "held_out"
        rows, count = data.held_out_pictures.rows, data.num_held_out
        classes = data.classes
    else:
        from keras_convmixer.data import tfds_images

        builder = tfds_images.image_builder(source)
        if not builder.is_prepared():
            tfds_images.prepare(builder)
        split = split or "test"
        try:
            count = builder.info.splits[split].num_examples
        # Of names and of slices each has its own.
        except (KeyError, ValueError) as error:
            names = ", ".join(sorted(builder.info.splits))
            raise UserError(
                f"--split must be one of {names}, or a part of one. Received: "
                f"{split!r}. {error}"
            ) from None
        rows = tfds_images.encoded_rows(builder, split)
        classes = tfds_images.class_names(builder)

    def each():
        for index, (contents, label) in enumerate(rows.as_numpy_iterator()):
            # Test sets that are published without labels have -1.
            name = classes[label] if label >= 0 else None
            place = f"{split}/{index}"
            yield StoredImage(
                place, name, f"{source.dataset} {place}", contents
            )

    return EvaluationSet(f"{source.dataset} {split}", classes, count, each)
