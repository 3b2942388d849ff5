"""A folder of photos as images to train on."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_convmixer.data.decode import read_image
from keras_convmixer.data.folders import list_images
from keras_convmixer.data.image_data import ImageData, images_in_memory
from keras_convmixer.data.index import HELD_OUT, TEST, TRAIN, changes
from keras_convmixer.data.make_index import make_index
from keras_convmixer.data.pictures import Pictures
from keras_convmixer.data.source import Source
from keras_convmixer.utils.checks import UserError, check_positive


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
    classes: list


def image_folder(
    path,
    image_size,
    batch_size=32,
    seed=0,
    broken_images="skip",
    duplicates="warn",
):
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

    def batches(images):
        return images.batch(batch_size).prefetch(tf.data.AUTOTUNE)

    return ImageFolder(
        train=batches(data.train.shuffle(buffer, seed)),
        held_out=batches(data.held_out),
        test=batches(data.test) if data.test_pictures else None,
        classes=data.classes,
    )


def load_image_folder(source, image_size, index=None):
    """The images of a folder, as `list_images` understands it.

    Without an index every file is read once; with one, none is before it is
    used.

    Args:
        source: A `Source`.
        image_size: Height and width that the images get, in pixels.
        index: The list of `IndexedImage` that an earlier call made.

    Returns:
        An `ImageData`.

    Raises:
        UserError: If there are not two classes or more with enough images
            each, an image is broken and that is an error, or the folder's
            files are not those of the index.
    """
    root = Path(source.image_folder)
    classes, rows, notes = list_images(source)
    if index is None:
        for note in notes:
            print(note)
        index = make_index(root, classes, rows, source)
    elif changed := changes(index, rows):
        raise UserError(
            f"{root.resolve().name} has changed since it was trained on, so "
            f"what was held out is unknown. {changed}"
        )

    label_of = {name: label for label, name in enumerate(classes)}
    parts = {
        part: [row for row in index if row.part == part]
        for part in (TRAIN, HELD_OUT, TEST)
    }

    def part(name):
        labels = [label_of[row.name] for row in parts[name]]
        return pictures(root, parts[name], labels)

    if held_out_is_given(rows):
        split = given_words("validation", parts[HELD_OUT])
    else:
        pool = parts[TRAIN] + parts[HELD_OUT]
        together = source.duplicates == "keep-together"
        split = (
            f"{len(parts[HELD_OUT])} of {len(pool)}, stratified, "
            f"{'duplicates together, ' * together}seed {source.seed}, "
            f"file names {names_digest(pool)}"
        )
    has_test = bool(parts[TEST])
    return ImageData(
        name=root.resolve().name,
        classes=classes,
        image_size=image_size,
        train_pictures=part(TRAIN),
        held_out_pictures=part(HELD_OUT),
        held_out_split=split,
        index=index,
        test_pictures=part(TEST) if has_test else None,
        test_split=given_words("test", parts[TEST]) if has_test else None,
    )


def held_out_is_given(rows):
    """Whether a folder says what is held out."""
    return any(row.part == HELD_OUT for row in rows)


def given_words(name, rows):
    """Which pictures a part is that has a folder of its own, in words."""
    return f"{len(rows)} in folder {name}, file names {names_digest(rows)}"


def names_digest(rows):
    """Eight hexadecimal digits of the files' names, whatever their order."""
    in_order = sorted(rows, key=lambda row: (row.name, row.file))
    names = "\n".join(row.file for row in in_order)
    return hashlib.sha256(os.fsencode(names)).hexdigest()[:8]


def pictures(root, rows, labels):
    """The `Pictures` of some rows of an index."""
    # Names of files are bytes: not all of them are UTF-8.
    paths = tf.constant([os.fsencode(root / row.file) for row in rows])
    turns = tf.constant([row.orientation for row in rows], tf.int32)

    def decode(index, contents):
        def read(index, contents):
            return read_image(root / rows[index].file, contents)

        pixels = tf.numpy_function(read, [index, contents], tf.uint8, False)
        return tf.ensure_shape(pixels, (None, None, 3))

    pairs = np.arange(len(rows)), np.array(labels, "int64")
    return Pictures(
        rows=tf.data.Dataset.from_tensor_slices(pairs),
        read=lambda i: (tf.io.read_file(paths[i]), turns[i]),
        decode=decode,
        buffer=len(rows),
    )
