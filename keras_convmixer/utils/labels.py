"""Labels of images and names of classes, as callers give them."""

import reprlib
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path

import numpy as np

from keras_convmixer.utils.checks import UserError


def class_indices(labels, count, classes, argument="labels"):
    """Classes as integers, one for each image.

    Args:
        labels: Integers `[count]` or `[count, 1]`, or one-hot
            `[count, classes]`; of any type, as `1.0` is 1.
        count: The number of images.
        classes: The number of classes.
        argument: What the error calls the labels.

    Returns:
        int64 `[count]`, from 0 to classes - 1.

    Raises:
        UserError: If they are anything else.
    """
    array = as_array(labels)
    expected = (
        f"{argument} must be {count:,} integers from 0 to {classes - 1}, one "
        f"class for each of the {count:,} images, or one-hot"
    )
    if array.shape == (count, 1):  # As Keras' own data sets have them.
        array = array[:, 0]
    if count and array.shape == (count, classes):
        if is_binary(array) and (array.sum(-1) == 1).all():
            return array.argmax(-1)
        expected += ", with a single 1 in each row"
    elif count and array.shape == (count,) and are_classes(array, classes):
        return array.astype(np.int64)
    raise UserError(f"{expected}. Received: {in_words(array)}")


def are_classes(array, classes):
    """Whether each is an integer from 0 to classes - 1, of any type."""
    if not is_number(array) or (array.dtype == bool and classes > 2):
        return False
    is_whole = (array == np.rint(array)).all()
    return is_whole and array.min() >= 0 and array.max() < classes


def zeros_and_ones(labels, count, outputs, argument="labels"):
    """Labels that are there, 1, or not, 0, for each image and output.

    Args:
        labels: 0 or 1, of any type: `[count, outputs]`, for one output also
            `[count]`.
        count, argument: As for `class_indices`.
        outputs: The number of labels that an image may have.

    Returns:
        int64 `[count, outputs]`.

    Raises:
        UserError: If they are anything else.
    """
    array = as_array(labels)
    shapes = [(count, outputs), *([(count,)] if outputs == 1 else [])]
    if not count or array.shape not in shapes or not is_binary(array):
        raise UserError(
            f"{argument} must be 0 or 1 for each output of each image, of "
            f"shape {' or '.join(map(str, shapes))}. Received: "
            f"{in_words(array)}"
        )
    return array.reshape(count, outputs).astype(np.int64)


def as_array(labels):
    try:
        return np.asarray(labels)
    except ValueError:  # Rows of different lengths.
        return np.asarray(labels, dtype=object)


def is_number(array):
    return array.dtype.kind in "biuf"


def is_binary(array):
    return is_number(array) and bool(np.isin(array, (0, 1)).all())


def in_words(array):
    """Type, shape and values of labels that can't be used."""
    words = f"{array.dtype}, shape {array.shape}"
    if not array.size:
        return words
    if not is_number(array):
        return f"{words}, such as {array.flat[0]}"
    is_fraction = array != np.rint(array)  # So is NaN.
    if is_fraction.any():
        return f"{words}, such as {array[is_fraction][0]}"
    return f"{words}, from {array.min()} to {array.max()}"


def label_names(labels):
    """Names in the order of the outputs.

    Args:
        labels: A sequence of names; `{name: index}`, as Keras' `class_indices`,
            or `{index: name}`; None for no names.

    Returns:
        A list, or what was given if it is None or a `str`.

    Raises:
        UserError: If they have no order, or not each index once.
    """
    if labels is None or isinstance(labels, str):
        return labels
    if isinstance(labels, Mapping):
        return names_by_index(labels)
    if isinstance(labels, set | frozenset):
        raise UserError(
            "labels must be in the order of the outputs, which a set has not. "
            f"Received: {reprlib.repr(labels)}"
        )
    try:
        return list(labels)
    except TypeError:
        raise UserError(
            f"labels must be a list of names. Received: {labels!r}"
        ) from None


def names_by_index(labels):
    """The names of `{name: index}` or of `{index: name}`."""
    pairs = [
        (key, value) if is_index(key) else (value, key)
        for key, value in labels.items()
    ]
    indices = {index for index, _ in pairs if is_index(index)}
    if indices != set(range(len(pairs))):
        raise UserError(
            f"labels must give each index from 0 to {len(pairs) - 1} once, as "
            "{name: index} or {index: name}. Received: "
            f"{reprlib.repr(dict(labels))}"
        )
    return [name for _, name in sorted(pairs)]


def is_index(value):
    return isinstance(value, Integral) and not isinstance(value, bool)


def labels_beside(path):
    """The names in the `labels.txt` beside a file or folder."""
    file = path.with_name("labels.txt")
    if not file.is_file():
        raise UserError(
            f"{path} needs the names of its classes: there is no {file}"
        )
    return read_label_file(file)


def read_label_file(path):
    """The names of classes in a text file, one in each line."""
    try:
        # Some editors begin a file with a byte order mark.
        labels = Path(path).read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} must be text in UTF-8: {error}") from None
    if not labels:
        raise UserError(f"{path} has no label")
    return labels
