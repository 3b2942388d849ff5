"""Where images come from: a data set's name, or a folder."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_convmixer.utils.checks import UserError, check_choice

if TYPE_CHECKING:
    from keras_convmixer.data.image_data import ImageData
    from keras_convmixer.data.index import IndexedImage

BROKEN_IMAGES = ("skip", "error")
DUPLICATES = ("warn", "error", "keep-together")


@dataclass(frozen=True)
class Source:
    """Where images come from: a data set's name or a folder, not both.

    Attributes:
        dataset: "digits", or any tensorflow-datasets name.
        data_dir: Where tensorflow-datasets keeps its files.
        image_folder: A folder with a folder of images for each class, or one
            of such folders: "train", and "val", "test" or both.
        test_folder: The test part of an image folder, if it is elsewhere: a
            folder with a folder of images for each class.
        seed: Chooses the held-out images of an image folder.
        broken_images: Of an image folder: "skip" leaves them out, with a
            warning, "error" does not go on.
        duplicates: Of an image folder, also near duplicates, in two parts or
            two classes: "warn" names them, "error" does not go on,
            "keep-together" holds all or none of an image's duplicates out.

    Raises:
        UserError: If both are given, or neither.

    Example:
        >>> from keras_convmixer.data import Source
        >>> Source("digits").load(image_size=8).num_train
        1437
    """

    dataset: str | None = None
    data_dir: str | None = None
    image_folder: str | None = None
    test_folder: str | None = None
    seed: int = 0
    broken_images: str = "skip"
    duplicates: str = "warn"

    def __post_init__(self) -> None:
        check_choice("broken_images", self.broken_images, BROKEN_IMAGES)
        check_choice("duplicates", self.duplicates, DUPLICATES)
        if bool(self.dataset) == bool(self.image_folder):
            raise UserError(
                "give a data set or an image folder, not both. Received: "
                f"{self.dataset!r} and {self.image_folder!r}"
            )
        for name in ("test_folder", "broken_images", "duplicates"):
            value = getattr(self, name)
            if value != getattr(type(self), name) and not self.image_folder:
                raise UserError(
                    f"{name} is for an image folder. Received: {value!r}"
                )
        if self.data_dir and self.dataset in (None, "digits"):
            raise UserError(
                "data_dir is for the data sets of tensorflow-datasets. "
                f"Received: {self.data_dir!r}"
            )

    def absolute(self) -> "Source":
        """The same source, found from any working directory."""
        paths: dict[str, Any] = {
            name: str(Path(path).resolve())
            for name in ("data_dir", "image_folder", "test_folder")
            if (path := getattr(self, name))
        }
        return dataclasses.replace(self, **paths)

    def native_size(self) -> int | None:
        """The side of the images where all have the same, else None."""
        if self.image_folder or self.dataset == "digits":
            return None
        from keras_convmixer.data.tfds_images import image_builder

        height, width, _ = image_builder(self).info.features["image"].shape
        return min(height, width) if height and width else None

    def load(
        self, image_size: int, index: "list[IndexedImage] | None" = None
    ) -> "ImageData":
        """Reads the images, as squares of `image_size` pixels.

        Args:
            image_size: Height and width that the images get, in pixels.
            index: Of an image folder, the list of `IndexedImage` that an
                earlier call made.

        Returns:
            An `ImageData`.

        Raises:
            UserError: If there are no such images, or too few.
            ConnectionError: If they can't be downloaded.
        """
        if self.dataset == "digits":
            from keras_convmixer.data.digits import load_digits

            return load_digits(image_size)
        if self.dataset:
            from keras_convmixer.data.tfds_images import load_tfds

            return load_tfds(self, image_size)
        from keras_convmixer.data.image_folder import load_image_folder

        return load_image_folder(self, image_size, index)
