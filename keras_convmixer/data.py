"""Data sets as `tf.data`: bundled digits, tensorflow-datasets, a folder.

Every loader gives the same thing, an `ImageData` of uint8 RGB images with
integer labels, in a training part and a held-out part that never changes.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_convmixer.preprocessing import center_crop

IMAGE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png"}
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
    """

    dataset: str | None = None
    data_dir: str | None = None
    image_folder: str | None = None
    seed: int = 0

    def __post_init__(self):
        if bool(self.dataset) == bool(self.image_folder):
            raise ValueError(
                "give a data set or an image folder, not both. Received: "
                f"{self.dataset!r} and {self.image_folder!r}"
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
        shape = tfds_builder(self).info.features["image"].shape
        return None if None in shape[:2] else min(shape[:2])

    def load(self, image_size):
        """Reads the images, as squares of `image_size` pixels."""
        if self.image_folder:
            return load_image_folder(self, image_size)
        if self.dataset == "digits":
            return load_digits(image_size)
        return load_tfds(self, image_size)


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


def load_tfds(source, image_size):
    """Any image classification set of tensorflow-datasets.

    Its split "test" is held out; where there is none with labels,
    "validation"; where there is neither, every fifth image of "train".
    """
    import tensorflow_datasets as tfds

    builder = tfds_builder(source)
    if not builder.is_prepared():
        builder.download_and_prepare()
    splits = builder.info.splits
    held_out = "train[80%:]"
    for name in ("validation", "test"):
        if name in splits and has_labels(builder, name):
            held_out = name

    def part(split):
        encoded = builder.as_dataset(
            split=split,
            shuffle_files=False,
            as_supervised=False,
            decoders={"image": tfds.decode.SkipDecoding()},
        )
        pairs = encoded.map(lambda row: (row["image"], row["label"]))
        return decoded(pairs, image_size)

    return ImageData(
        name=source.dataset,
        classes=list(builder.info.features["label"].names),
        image_size=image_size,
        train=part("train" if held_out in splits else "train[:80%]"),
        held_out=part(held_out),
        held_out_split=f"split {held_out!r} of {builder.info.full_name}",
    )


def load_image_folder(source, image_size):
    """Photographs in `FOLDER/CLASS/*.jpg` and the like; names are classes."""
    import tensorflow as tf

    root = Path(source.image_folder)
    classes = sorted(path.name for path in root.iterdir() if path.is_dir())
    paths, labels = [], []
    for label, name in enumerate(classes):
        for path in sorted((root / name).iterdir()):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                paths.append(str(path))
                labels.append(label)
    paths, labels = np.array(paths), np.array(labels, "int64")
    train, held_out = split_indices(labels, source.seed)

    def part(indices):
        files = tf.data.Dataset.from_tensor_slices(
            (paths[indices], labels[indices])
        )
        encoded = files.map(lambda path, label: (tf.io.read_file(path), label))
        return decoded(encoded, image_size)

    return ImageData(
        name=root.resolve().name,
        classes=classes,
        image_size=image_size,
        train=part(train),
        held_out=part(held_out),
        held_out_split=f"{len(held_out)} of {len(paths)}, stratified, "
        f"seed {source.seed}",
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


def tfds_builder(source):
    import tensorflow_datasets as tfds

    return tfds.builder(source.dataset, data_dir=source.data_dir)


def has_labels(builder, split):
    """False for test sets that are published without labels, all -1."""
    row = next(iter(builder.as_dataset(split=split).take(1)))
    return int(row["label"]) >= 0


def decoded(encoded, image_size):
    """(file contents, label) to (uint8 `[size, size, 3]`, label)."""
    import tensorflow as tf

    def decode(contents, label):
        image = tf.io.decode_image(contents, 3, expand_animations=False)
        return center_crop(image, image_size), label

    images = encoded.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    if int(encoded.cardinality()) <= images_in_memory(image_size):
        images = images.cache()
    return images


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
