"""A folder of photographs, FOLDER/CLASS/*.jpg and the like."""

import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from keras_convmixer.data.decode import SUFFIXES, read_image
from keras_convmixer.data.image_data import ImageData, cropped, split_indices
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import silent_libraries

NAMED = 10  # Broken images that are named; of more, their number is given.


def load_image_folder(source, image_size):
    """The images of a folder; the names of its folders are the classes.

    Every file is read once before anything begins. Names that begin with a
    dot, and files that don't end as images do, are passed over.

    Args:
        source: A `Source`.
        image_size: Height and width that the images get, in pixels.

    Returns:
        An `ImageData`.

    Raises:
        ValueError: If there are not two classes or more with enough images
            each, or an image is broken and that is an error.
    """
    root = Path(source.image_folder)
    classes, paths, labels = list_images(root)
    paths, labels = drop_unreadable(paths, labels, source.broken_images)
    for label, name in enumerate(classes):
        found = int((labels == label).sum())
        if found < 2:
            raise UserError(
                f"each class needs two images or more. {root / name} has "
                f"{found}"
            )
    train, held_out = split_indices(labels, source.seed)

    def part(indices):
        return cropped(decoded(paths[indices], labels[indices]), image_size)

    names = "\n".join(f"{path.parent.name}/{path.name}" for path in paths)
    digest = hashlib.sha256(os.fsencode(names)).hexdigest()[:8]
    return ImageData(
        name=root.resolve().name,
        classes=classes,
        image_size=image_size,
        train=part(train),
        held_out=part(held_out),
        held_out_split=f"{len(held_out)} of {len(paths)}, stratified, "
        f"seed {source.seed}, file names {digest}",
    )


def list_images(root):
    """Names of the classes, paths and labels of all images, in order."""
    if not root.is_dir():
        raise UserError(f"--image-folder {root} is not a folder")
    classes = sorted(
        path.name
        for path in root.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )
    if len(classes) < 2:
        raise UserError(
            f"--image-folder {root} must have a folder of images for each of "
            f"two classes or more. Found: {classes}"
        )
    paths, labels = [], []
    for label, name in enumerate(classes):
        if not name.isprintable():
            raise UserError(f"{name!r} can't be the name of a class")
        for path in sorted((root / name).iterdir()):
            hidden = path.name.startswith(".")
            if path.suffix.lower() in SUFFIXES and not hidden:
                paths.append(path)
                labels.append(label)
    return classes, paths, labels


def drop_unreadable(paths, labels, broken_images):
    """Leaves out the images that can't be read, or raises for them."""

    def complaint(path):
        try:
            read_image(path)
        except ValueError as error:
            return str(error)

    with silent_libraries(), ThreadPoolExecutor(os.cpu_count()) as threads:
        complaints = list(threads.map(complaint, paths))
    broken = [text for text in complaints if text]
    share = f"{len(broken)} of {len(paths)} images"
    if broken and broken_images == "error":
        raise UserError(f"{share} are broken. The first: {broken[0]}")
    if broken:
        print(f"left out {share}:", file=sys.stderr)
    for text in broken[:NAMED]:
        print(f"  {text}", file=sys.stderr)
    kept = [index for index, text in enumerate(complaints) if not text]
    paths, labels = np.array(paths, object), np.array(labels, "int64")
    return paths[kept], labels[kept]


def decoded(paths, labels):
    """`tf.data.Dataset` of (uint8 `[H, W, 3]`, label)."""
    import tensorflow as tf

    def decode(index, label):
        image = tf.numpy_function(
            lambda index: read_image(paths[index]), [index], tf.uint8, False
        )
        return tf.ensure_shape(image, (None, None, 3)), label

    indices = tf.range(len(paths), dtype=tf.int64)
    pairs = tf.data.Dataset.from_tensor_slices((indices, labels))
    return pairs.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
