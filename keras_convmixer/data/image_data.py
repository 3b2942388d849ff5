"""Images with labels as `tf.data`.

Every loader gives the same thing, an `ImageData` of uint8 RGB images with
integer labels, in a training part, a held-out part that never changes, and a
test part where there is one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import tensorflow as tf

from keras_convmixer.data.index import IndexedImage
from keras_convmixer.data.pictures import Pictures
from keras_convmixer.data.reading import Reading
from keras_convmixer.utils.checks import UserError

HELD_OUT_SHARE = 0.2
HELD_OUT_SHARE_BESIDE_TEST = 0.1
LABELS_AT_ONCE = 10_000
SHUFFLED_BYTES = 2**29  # That are held to be shuffled, at most.


@dataclass
class ImageData:
    """Labelled images of one size.

    Attributes:
        name: Name of the data set.
        classes: Names of the classes; a label is an index into them.
        image_size: Height and width in pixels.
        train_pictures: The `Pictures` to train on.
        held_out_pictures: Those that are never trained on.
        held_out_split: Which images those are, in words.
        index: A list of `IndexedImage`; None where a name says it all.
        test_pictures: Those that nothing is chosen by, or None.
        test_split: Which images those are, in words, or None.
        reading: How the images are read, a `Reading`.
    """

    name: str
    classes: list[str]
    image_size: int
    train_pictures: Pictures
    held_out_pictures: Pictures
    held_out_split: str
    index: list[IndexedImage] | None = None
    test_pictures: Pictures | None = None
    test_split: str | None = None
    reading: Reading = field(default_factory=Reading)

    @cached_property
    def train(self) -> tf.data.Dataset:
        """`tf.data.Dataset` of (uint8 `[H, W, 3]`, int64 label)."""
        return self.squares(self.train_pictures)

    @cached_property
    def held_out(self) -> tf.data.Dataset:
        """The same, of the images that are never trained on."""
        return self.squares(self.held_out_pictures)

    @cached_property
    def test(self) -> tf.data.Dataset | None:
        """The same, of the test part; None where there is none."""
        pictures = self.test_pictures
        return None if pictures is None else self.squares(pictures)

    def squares(self, pictures: Pictures) -> tf.data.Dataset:
        """`Pictures.squares` of some pictures, in memory where they fit."""
        squares = pictures.squares(self.image_size, self.reading.workers)
        return squares.cache() if self.squares_fit(pictures) else squares

    def squares_fit(self, pictures: Pictures) -> bool:
        """Whether the middle squares of some pictures may stay in memory."""
        return len(pictures) * 3 * self.image_size**2 <= self.reading.cache

    @property
    def verification_pictures(self) -> Pictures:
        """The `Pictures` on which files are proved.

        They are the test part; where there is none, the held-out ones.
        """
        return self.test_pictures or self.held_out_pictures

    @property
    def verification_part(self) -> str:
        """Of which part they are: "test" or "held-out"."""
        return "test" if self.test_pictures else "held-out"

    @cached_property
    def train_counts(self) -> np.ndarray:
        """How many training images each class has, int64 `[classes]`.

        Of a data set of tensorflow-datasets the training part is read for it.
        """
        labels = self.train_pictures.rows.map(lambda row, label: label)
        counts = np.zeros(len(self.classes), "int64")
        for batch in labels.batch(LABELS_AT_ONCE).as_numpy_iterator():
            counts += np.bincount(batch, minlength=len(counts))
        return counts

    def balanced_weights(self) -> np.ndarray:
        """A weight for each class by which all count the same in training.

        Returns:
            float64 `[classes]`, inverse to `train_counts`; its mean over the
            training images is 1.
        """
        counts = self.train_counts
        present = counts > 0
        weights = counts.sum() / (present.sum() * np.maximum(counts, 1))
        return np.where(present, weights, 0.0)

    @property
    def num_train(self) -> int:
        return len(self.train_pictures)

    @property
    def num_held_out(self) -> int:
        return len(self.held_out_pictures)

    @property
    def num_test(self) -> int:
        return len(self.test_pictures or ())


def split_indices(
    labels: Sequence[str] | np.ndarray,
    seed: int,
    share: float = HELD_OUT_SHARE,
) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on and to hold out, each class in its proportion.

    Of a class whose proportion is less than one image, one is held out.

    Args:
        labels: int `[N]`.
        seed: Chooses those that are held out.
        share: How many are, of all.

    Raises:
        UserError: If there are too few images to hold one of each class out.
    """
    # Late: data sets with a held-out part do without it.
    from sklearn.model_selection import train_test_split

    classes = len(np.unique(labels))
    if math.ceil(share * len(labels)) < classes:
        raise UserError(
            f"there must be enough images to hold one of each of the "
            f"{classes} classes out, and {share:.0%} are held out. "
            f"Received: {len(labels)} images"
        )
    labels = np.asarray(labels)
    train, held_out = train_test_split(
        np.arange(len(labels)),
        test_size=share,
        random_state=seed,
        stratify=labels,
    )
    random = np.random.default_rng(seed)
    missing = np.setdiff1d(labels, labels[held_out])
    chosen = [random.choice(np.flatnonzero(labels == one)) for one in missing]
    if chosen:
        held_out = np.concatenate([held_out, chosen])
        train = train[~np.isin(train, chosen)]
    return train, held_out


def images_in_memory(image_size: int) -> int:
    """How many images of that size fit into `SHUFFLED_BYTES`."""
    return SHUFFLED_BYTES // (3 * image_size**2)


def as_arrays(
    dataset: tf.data.Dataset, limit: int = -1
) -> tuple[np.ndarray, np.ndarray]:
    """uint8 `[N, H, W, 3]` and labels int64 `[N]` of the first `limit`."""
    images, labels = zip(*dataset.take(limit).as_numpy_iterator(), strict=True)
    return np.stack(images), np.stack(labels)


def sample(dataset: tf.data.Dataset, count: int, seed: int = 0) -> np.ndarray:
    """uint8 images `[count, H, W, 3]` chosen at random by the seed."""
    cardinality = int(dataset.cardinality())
    shuffled = dataset.shuffle(min(cardinality, 10 * count), seed=seed)
    return as_arrays(shuffled, count)[0]
