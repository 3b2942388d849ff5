"""Images and labels as callers of the export give them, as arrays.

Images come as arrays, as a `tf.data.Dataset`, a `keras.utils.PyDataset`, an
iterator, or the generator function that TensorFlow Lite's converter takes.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_convmixer.evaluation.keras_model import (
    input_type,
    output_kind,
    output_name,
)
from keras_convmixer.evaluation.output_kind import OutputKind
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.labels import class_indices, zeros_and_ones

from . import VERIFICATION_IMAGES

# Ranges hardly change with more images, and each takes a run of the file.
REPRESENTATIVE_IMAGES = 500
# A `tf.data.Dataset`, for instance, or a generator function.
DataSet = Iterable[Any] | Callable[[], Iterable[Any]]
Images = ArrayLike | DataSet
Verification = tuple[Images, ArrayLike | None] | DataSet
EXPECTED = "verification must be (images, labels), (images, None) or a data set"


def read_representative_images(given, model):
    """Representative images in the type that the model's files take.

    Args:
        given: An array of images `[N, height, width, channels]`, of which all
            are taken, or a data set, an iterator or a generator function, of
            which the first 500 are. Its elements are images or batches of
            images, alone, beside labels, in a list or in a dict.
        model: The model.

    Returns:
        An array `[N, height, width, channels]`.

    Raises:
        UserError: If there is none, or they are not such images.
    """
    argument = "representative_images"
    if given is None:
        raise UserError(
            f"{argument} must be real images of shape "
            f"{('N', *model.input_shape[1:])} for an int8 file. Received: None"
        )
    return read_images(argument, given, model, REPRESENTATIVE_IMAGES)[0]


def read_verification(given, representative_images, model):
    """Images to compare on, and their labels.

    Args:
        given: `(images, labels)`, with arrays; a data set, an iterator or a
            generator function of images with or without labels, of which the
            first 10,000 images are taken; or None.
        representative_images: What stands in for None.
        model: The model.

    Returns:
        `(images, labels)`: the labels as `check_labels` gives them, or None.

    Raises:
        UserError: If they are anything else.
    """
    argument = "the images of verification"
    if given is None:
        if representative_images is None:
            raise UserError(
                f"{EXPECTED}: no file is handed over that was not run. "
                "Received: None, and no representative_images either"
            )
        return representative_images, None
    if isinstance(given, tuple | list):
        if len(given) != 2:
            raise UserError(f"{EXPECTED}. Received: {len(given)} values")
        images, labels = given
        images, _ = read_images(argument, images, model, VERIFICATION_IMAGES)
    elif hasattr(given, "__array__") or not is_stream(given):
        raise UserError(f"{EXPECTED}. Received: {type(given).__name__}")
    else:
        images, labels = read_images(
            "verification", given, model, VERIFICATION_IMAGES
        )
    if labels is not None:
        labels = check_labels(labels, len(images), model)
    return images, labels


def check_labels(labels, count, model):
    """The labels of verification images, as `OutputKind.is_right` takes them.

    Raises:
        UserError: If they don't fit what the model's outputs say.
    """
    argument = "the labels of verification"
    kind, outputs = output_kind(model), model.output_shape[-1]
    if kind is OutputKind.CLASSES:
        return class_indices(labels, count, outputs, argument)
    if kind is OutputKind.LABELS:
        return zeros_and_ones(labels, count, outputs, argument)
    if output_name(model) == "logits":
        try:
            return zeros_and_ones(labels, count, outputs, argument)
        except UserError as error:
            raise UserError(
                f"{error}. For a model whose output is not a logit, such as a "
                "regression, give (images, None)"
            ) from None
    raise UserError(
        f"{argument} must be None for a model that gives features, which name "
        "no class: give (images, None)"
    )


def read_images(argument, given, model, limit):
    """Images in any form as one array, and their labels or None.

    Args:
        argument: What an error calls the images.
        given: As for `read_representative_images`.
        model: The model.
        limit: How many images are taken at most of what is not an array.
    """
    array = as_array(given, model)
    if array is None:
        batches = read_elements(argument, given, model, limit)
    else:
        batches = [(array, None)]
    shape, dtype = tuple(model.input_shape[1:]), input_type(model)
    expected = f"{argument} must be images of shape {('N', *shape)}"
    all_images, all_labels, largest = [], [], 0
    for images, labels in batches:
        if len(images.shape) == 0 or images.shape[1:] != shape:
            raise UserError(f"{expected}. Received: {images.shape}")
        if not len(images):
            continue
        check_numbers(argument, images)
        if dtype == "uint8" and images.dtype == np.uint8:
            largest = 255  # Their type says what they are.
        elif dtype == "uint8":
            largest = max(largest, images.max())
            if images.min() < 0 or largest > 255:
                raise not_pixels(argument, images.min(), images.max())
            images = np.rint(images)
        all_images.append(images.astype(dtype))
        all_labels.append(labels)
    if not all_images:
        raise UserError(f"{expected}. Received: no image")
    if dtype == "uint8" and largest <= 1:
        # Pixels from 0 to 1, as other networks take them, would be black.
        raise not_pixels(argument, 0, largest)
    images = np.concatenate(all_images)
    if any(labels is None for labels in all_labels):
        return images, None
    return images, np.concatenate(all_labels)


def as_array(given, model):
    """An array-like of images as an array; None for anything else."""
    if not (isinstance(given, tuple | list) or hasattr(given, "__array__")):
        return None
    try:
        array = np.asarray(given)
    except ValueError:  # A list of batches of different sizes.
        return None
    is_list_of_batches = isinstance(given, tuple | list) and (
        array.ndim > len(model.input_shape)
    )
    return None if is_list_of_batches else array


def read_elements(argument, given, model, limit):
    """Batches of images with their labels or None, `limit` images at most."""
    count = 0
    for element in elements_of(argument, given):
        images, labels = images_and_labels(element)
        images = np.asarray(images)
        labels = None if labels is None else np.asarray(labels)
        if images.ndim == len(model.input_shape) - 1:
            images = images[None]
            labels = None if labels is None else labels[None]
        left = limit - count
        yield images[:left], None if labels is None else labels[:left]
        count += len(images[:left])
        if count == limit:
            return


def elements_of(argument, given):
    """An iterator over the elements of a data set or of a function's."""
    if hasattr(given, "as_numpy_iterator"):
        return given.as_numpy_iterator()
    if callable(given):
        given = given()
    if not is_stream(given):
        raise UserError(
            f"{argument} must be an array, a data set or a generator function "
            f"of images. Received: {type(given).__name__}"
        )
    return iter(given)


def is_stream(given):
    """Whether it can give images one after the other."""
    is_iterable = hasattr(given, "__iter__") or callable(given)
    return is_iterable and not isinstance(given, str | Mapping)


def images_and_labels(element):
    """The images of an element of a data set, and its labels or None."""
    if isinstance(element, Mapping):
        if "image" in element:
            return element["image"], element.get("label")
        element = tuple(element.values())[:1]
    if isinstance(element, tuple | list) and element:
        images, _ = images_and_labels(element[0])
        return images, element[1] if len(element) > 1 else None
    return element, None


def check_numbers(argument, images):
    if images.dtype.kind not in "biuf" or not np.isfinite(images).all():
        raise UserError(
            f"{argument} must be finite numbers. Received: {images.dtype}"
            f"{', with NaN or infinity' * (images.dtype.kind == 'f')}"
        )


def not_pixels(argument, least, largest):
    return UserError(
        f"{argument} must be pixels from 0 to 255, since the model normalises "
        f"them itself. Received: {least} to {largest}"
    )
