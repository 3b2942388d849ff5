"""Images with labels as `tf.data`.

Every loader gives the same thing, an `ImageData` of uint8 RGB images with
integer labels, in a training part and a held-out part that never changes.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_convmixer.checks import one_of
from keras_convmixer.preprocessing import center_crop

BROKEN_IMAGES = ("skip", "error")
HELD_OUT_SHARE = 0.2
# Decoded images are kept in memory, and shuffled, up to this many bytes.
MEMORY_BYTES = 2**30


@dataclass
class ImageData:
    """Labelled images of one size.

    Attributes:
        name: Name of the data set.
        classes: Names of the classes; a label is an index into them.
        image_size: Height and width in pixels.
        train: `tf.data.Dataset` of (uint8 `[H, W, 3]`, int64 label).
        held_out: The same, of images that are never trained on.
        held_out_split: Which images those are, in words.
    """

    name: str
    classes: list
    image_size: int
    train: object
    held_out: object
    held_out_split: str

    @property
    def num_train(self):
        return int(self.train.cardinality())

    @property
    def num_held_out(self):
        return int(self.held_out.cardinality())


@dataclass(frozen=True)
class Source:
    """Where images come from: a data set's name or a folder, not both.

    Attributes:
        dataset: "digits", or any tensorflow-datasets name.
        data_dir: Where tensorflow-datasets keeps its files.
        image_folder: A folder with a folder of images for each class.
        seed: Chooses the held-out images of an image folder.
        broken_images: Of an image folder: "skip" leaves them out, with a
            warning, "error" does not go on.
    """

    dataset: str | None = None
    data_dir: str | None = None
    image_folder: str | None = None
    seed: int = 0
    broken_images: str = "skip"

    def __post_init__(self):
        one_of("broken_images", self.broken_images, BROKEN_IMAGES)
        if bool(self.dataset) == bool(self.image_folder):
            raise ValueError(
                "give a data set or an image folder, not both. Received: "
                f"{self.dataset!r} and {self.image_folder!r}"
            )
        if self.data_dir and self.dataset in (None, "digits"):
            raise ValueError(
                "data_dir is for the data sets of tensorflow-datasets. "
                f"Received: {self.data_dir!r}"
            )

    def absolute(self):
        """The same source, found from any working directory."""
        paths = {
            name: str(Path(path).resolve())
            for name in ("data_dir", "image_folder")
            if (path := getattr(self, name))
        }
        return dataclasses.replace(self, **paths)

    def native_size(self):
        """The side of the images where all have the same, else None."""
        if self.image_folder or self.dataset == "digits":
            return None
        from keras_convmixer.tfds_images import tfds_size

        return tfds_size(self)

    def load(self, image_size):
        """Reads the images, as squares of `image_size` pixels."""
        if self.dataset == "digits":
            return load_digits(image_size)
        if self.dataset:
            from keras_convmixer.tfds_images import load_tfds

            return load_tfds(self, image_size)
        from keras_convmixer.image_folder import load_image_folder

        return load_image_folder(self, image_size)


def load_digits(image_size):
    """scikit-learn's digits: 8 x 8 grey levels 0..16, as RGB 0..255."""
    import tensorflow as tf
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype("uint8")
    images = np.repeat(grey[..., None], 3, axis=-1)
    train, held_out = split_indices(digits.target, seed=0)

    def part(indices):
        labels = digits.target[indices].astype("int64")
        dataset = tf.data.Dataset.from_tensor_slices((images[indices], labels))
        return dataset.map(
            lambda image, label: (center_crop(image, image_size), label)
        ).cache()

    return ImageData(
        name="digits",
        classes=[str(name) for name in digits.target_names],
        image_size=image_size,
        train=part(train),
        held_out=part(held_out),
        held_out_split=f"{len(held_out)} of {len(images)}, stratified",
    )


def split_indices(labels, seed):
    """Indices to train on and to hold out, each class in its proportion."""
    from sklearn.model_selection import train_test_split

    return train_test_split(
        np.arange(len(labels)),
        test_size=HELD_OUT_SHARE,
        random_state=seed,
        stratify=labels,
    )


def cropped(images, image_size):
    """(image of any size, label) to (uint8 `[size, size, 3]`, label)."""
    import tensorflow as tf

    squares = images.map(
        lambda image, label: (center_crop(image, image_size), label),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    if int(images.cardinality()) <= images_in_memory(image_size):
        squares = squares.cache()
    return squares


def images_in_memory(image_size):
    """How many images of that size fit into `MEMORY_BYTES`."""
    return MEMORY_BYTES // (3 * image_size**2)


def as_arrays(dataset, limit=-1):
    """uint8 `[N, H, W, 3]` and labels int64 `[N]` of the first `limit`."""
    images, labels = zip(*dataset.take(limit).as_numpy_iterator(), strict=True)
    return np.stack(images), np.stack(labels)


def sample(dataset, count, seed=0):
    """uint8 images `[count, H, W, 3]` chosen at random by the seed."""
    cardinality = int(dataset.cardinality())
    shuffled = dataset.shuffle(min(cardinality, 10 * count), seed=seed)
    return as_arrays(shuffled, count)[0]
