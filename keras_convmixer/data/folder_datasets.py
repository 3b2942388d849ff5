"""A folder of photos for `model.fit`, read as all programs read it."""

from dataclasses import dataclass

import tensorflow as tf

from keras_convmixer.data.batches import READY
from keras_convmixer.data.image_data import images_in_memory
from keras_convmixer.data.source import Source
from keras_convmixer.utils.checks import check_positive
from keras_convmixer.utils.types import StrPath


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder for `model.fit`.

    Attributes:
        train: `tf.data.Dataset` of batches to train on: images uint8 `[N,
            size, size, 3]`, RGB from 0 to 255, and labels int64 `[N]`. Every
            epoch has another order.
        held_out: The same of the images that are not trained on, always in
            the same order.
        test: The same of the folder's test part; None where it has none.
        classes: Names of the classes, a list; a label is an index into it.
    """

    train: tf.data.Dataset
    held_out: tf.data.Dataset
    test: tf.data.Dataset | None
    classes: list[str]


def image_folder(
    path: StrPath,
    image_size: int,
    batch_size: int = 32,
    seed: int = 0,
    broken_images: str = "skip",
    duplicates: str = "warn",
) -> ImageFolder:
    """Reads a folder of photos as `train`, `evaluate` and `classify` do.

    Unlike `keras.utils.image_dataset_from_directory`, it applies the EXIF
    orientation and takes the centre crop (`center_crop`) instead of stretching
    a photo to a square, so that a model sees in an app, or in `evaluate`, what
    it saw in training.

    Args:
        path: A folder with a folder of images for each class, or with such
            folders "train" and "val", "test" or both. Where none says what is
            held out, a fifth is, a tenth beside a test part: of each class in
            its proportion, and one image at least.
        image_size: Height and width of the images in pixels.
        batch_size: Images a batch; the last one may have fewer.
        seed: Chooses the held-out images and the order of the others.
        broken_images: "skip" leaves out images that can't be read, and names
            them; "error" raises.
        duplicates: Images that are in two parts or classes: "warn" names
            them, "error" raises, "keep-together" holds all or none of an
            image's copies out.

    Returns:
        An `ImageFolder`.

    Raises:
        ValueError: If there are not two classes with two images or more.

    Example:
        photos = image_folder("photos", image_size=32)
        model.fit(photos.train, validation_data=photos.held_out)
    """
    check_positive(image_size=image_size, batch_size=batch_size)
    source = Source(
        image_folder=str(path),
        seed=seed,
        broken_images=broken_images,
        duplicates=duplicates,
    )
    data = source.load(image_size)
    buffer = min(data.num_train, images_in_memory(image_size))

    def batches(images: tf.data.Dataset) -> tf.data.Dataset:
        return images.batch(batch_size).prefetch(READY)

    return ImageFolder(
        train=batches(data.train.shuffle(buffer, seed)),
        held_out=batches(data.held_out),
        test=batches(data.test) if data.test_pictures else None,
        classes=data.classes,
    )
