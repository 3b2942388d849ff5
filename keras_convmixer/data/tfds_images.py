"""Image classification sets of tensorflow-datasets."""

import contextlib
import urllib.error
import urllib.request

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_convmixer.data.decode import read_orientation
from keras_convmixer.data.file_ops import may_be_turned
from keras_convmixer.data.image_data import SHUFFLED_BYTES, ImageData
from keras_convmixer.data.pictures import Pictures, untuned
from keras_convmixer.utils.checks import UserError, did_you_mean
from keras_convmixer.utils.commands import silent_libraries
from keras_convmixer.utils.text import normalize_class

SECONDS = 10  # How long the host of the files may take to answer.


def load_tfds(source, image_size):
    """The `ImageData` of a set of tensorflow-datasets, for `Source.load`.

    Its split "validation" is held out, and "test" is the test part. Where only
    one of them has labels, it is held out; where none has, the last fifth of
    "train".

    Raises:
        ValueError: If there is no such set, or its images have no classes.
        ConnectionError: If it has to be downloaded and nothing answers.
    """
    builder = image_builder(source)
    if not builder.is_prepared():
        prepare(builder)
    splits = builder.info.splits
    if "train" not in splits:
        raise UserError(
            f"dataset {source.dataset} has no split 'train' to train on. It "
            f"has: {', '.join(sorted(splits))}. Train on another data set, and "
            "give this one to `evaluate`, with --dataset and --split"
        )
    labelled = [
        name
        for name in ("validation", "test")
        if name in splits and has_labels(builder, name)
    ]
    held_out, test = (*labelled, None, None)[:2]

    height, width, _ = builder.info.features["image"].shape
    # Records of this many bytes are shuffled at a time.
    info = splits["train"]
    record = max(1, info.num_bytes // max(1, info.num_examples))

    def part(split):
        return Pictures(
            rows=encoded_rows(builder, split),
            read=lambda contents: (contents, exif_orientation(contents)),
            buffer=SHUFFLED_BYTES // record,
            side=height if height == width else None,
        )

    def words(split):
        return f"split {split!r} of {builder.info.full_name}"

    return ImageData(
        name=source.dataset,
        classes=class_names(builder),
        image_size=image_size,
        train_pictures=part("train" if held_out else "train[:80%]"),
        held_out_pictures=part(held_out or "train[80%:]"),
        held_out_split=words(held_out or "train[80%:]"),
        test_pictures=part(test) if test else None,
        test_split=words(test) if test else None,
    )


def exif_orientation(contents):
    """The EXIF orientation of a file, int32; Python reads unusual ones."""
    return tf.cond(
        may_be_turned(contents),
        lambda: tf.ensure_shape(
            tf.numpy_function(
                lambda contents: np.int32(read_orientation(contents)),
                [contents],
                tf.int32,
                stateful=False,
            ),
            (),
        ),
        lambda: tf.constant(1),
    )


def class_names(builder):
    """The names of a data set's classes."""
    names = builder.info.features["label"].names
    return [normalize_class(name) for name in names]


def encoded_rows(builder, split):
    """`tf.data.Dataset` of (the contents of an image's file, its label)."""
    records = builder.as_dataset(
        split=split,
        shuffle_files=False,
        as_supervised=False,
        decoders={"image": tfds.decode.SkipDecoding()},
        # What is kept in memory is decided by the `Reading`.
        read_config=tfds.ReadConfig(try_autocache=False),
    )
    return untuned(records.map(lambda row: (row["image"], row["label"])))


def image_builder(source):
    """The builder of a set that has images and, for each, a class."""
    name = source.dataset
    try:
        with silent_libraries():
            builder = tfds.builder(name, data_dir=source.data_dir)
    except tfds.core.DatasetNotFoundError:
        known = ["digits", *tfds.list_builders()]
        raise UserError(
            "dataset must be digits or a name of tensorflow-datasets. "
            f"Received: {name!r}.{did_you_mean(name, known)}"
        ) from None
    # Those of versions, configurations and hosts have no base of their own.
    except Exception as error:
        raise UserError(f"dataset {name}: {error}") from error
    features = builder.info.features
    expected = {"image": tfds.features.Image, "label": tfds.features.ClassLabel}
    for feature, kind in expected.items():
        if feature not in features or not isinstance(features[feature], kind):
            raise UserError(
                f"dataset {name} is not an image classification set: it has "
                f"{', '.join(features)}, not an image and a label"
            )
    levels = np.dtype(features["image"].np_dtype)
    if levels != np.uint8:
        raise UserError(
            f"dataset {name}: its images must be uint8. Found: {levels}"
        )
    return builder


def prepare(builder):
    """Downloads a set, if its host answers: tfds asks for minutes."""
    name = builder.info.full_name
    try:
        for url in list(builder.url_infos)[:1]:
            request = urllib.request.Request(url, method="HEAD")
            # A host that does not like the question is there.
            with contextlib.suppress(urllib.error.HTTPError):
                urllib.request.urlopen(request, timeout=SECONDS).close()
        builder.download_and_prepare()
    # Each set has its own, that of a missing file by hand is long.
    except Exception as error:
        raise ConnectionError(
            f"dataset {name} is not in {builder.data_dir} and can't be put "
            f"there: {error}"
        ) from error


def has_labels(builder, split):
    """False for test sets that are published without labels, all -1."""
    ((_, label),) = encoded_rows(builder, split).take(1)
    return int(label) >= 0
