"""Labels and images in the forms that users of Keras and TFLite have them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.arguments import (
    REPRESENTATIVE_IMAGES,
    read_representative_images,
    read_verification,
)
from keras_convmixer import ConvMixer
from keras_convmixer.evaluation.output_kind import OutputKind
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.labels import (
    class_indices,
    label_names,
    zeros_and_ones,
)

NAMES = ["ape", "cow", "zebra"]
CLASSES = np.arange(20) % 3


def network(**options):
    return ConvMixer(8, 1, 3, 4, input_shape=(16, 16, 3), **options)


@pytest.fixture(scope="module")
def model():
    return network(classes=3)


@pytest.mark.parametrize(
    "labels",
    [
        {"zebra": 2, "ape": 0, "cow": 1},
        {"cow": np.int64(1), "ape": np.int64(0), "zebra": np.int64(2)},
        {1: "cow", 2: "zebra", 0: "ape"},
        np.array(NAMES),
        tuple(NAMES),
        dict.fromkeys(NAMES).keys(),
        iter(NAMES),
    ],
)
def test_labels_are_in_the_order_of_the_outputs(labels):
    assert label_names(labels) == NAMES


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"ape": 1, "cow": 2, "zebra": 3}, "each index from 0 to 2 once"),
        ({"ape": 0, "cow": 0, "zebra": 1}, "each index from 0 to 2 once"),
        ({"ape": 0, "cow": 1, "zebra": 2.0}, "each index from 0 to 2 once"),
        ({"0": "ape", "1": "cow"}, "each index from 0 to 1 once"),
        ({"ape", "cow", "zebra"}, "which a set has not"),
        (3, "must be a list of names. Received: 3"),
    ],
)
def test_labels_without_an_order_are_refused(labels, words):
    with pytest.raises(UserError) as error:
        label_names(labels)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "kind",
    [
        np.uint8,
        np.float32,
        lambda classes: classes[:, None],
        lambda classes: np.eye(3)[classes],
        lambda classes: np.eye(3)[classes] > 0,
        lambda classes: tf.constant(classes),
        list,
    ],
)
def test_classes_may_have_any_type(kind):
    found = class_indices(kind(CLASSES), 20, 3)
    np.testing.assert_array_equal(found, CLASSES)


@pytest.mark.parametrize(
    ("labels", "received"),
    [
        (CLASSES + 1, "from 1 to 3"),
        (CLASSES - 1, "from -1 to 1"),
        (CLASSES / 2, "such as 0.5"),
        (np.where(CLASSES, CLASSES, np.nan), "such as nan"),
        (CLASSES.astype(str), "such as 0"),
        (CLASSES > 0, "bool, shape (20,)"),
        (CLASSES[:19], "shape (19,)"),
        ([[0], [1, 2]], "object, shape (2,)"),
        (np.full((20, 3), 1 / 3), "such as 0.333"),
        (np.eye(3)[CLASSES] + np.eye(3)[0], "from 0.0 to 2.0"),
        (np.zeros((20, 3)), "from 0.0 to 0.0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_classes_that_mean_nothing_are_refused(labels, received):
    with pytest.raises(UserError) as error:
        class_indices(labels, 20, 3, "the labels")
    assert str(error.value).startswith(
        "the labels must be 20 integers from 0 to 2, one class for each of"
    )
    assert received in str(error.value)


def test_labels_of_a_sigmoid_are_0_or_1():
    several = np.array([[1, 0], [1, 1], [0, 0]])
    for labels in (several, several > 0, np.float32(several)):
        found = zeros_and_ones(labels, 3, outputs=2)
        np.testing.assert_array_equal(found, several)
    assert zeros_and_ones([0, 1], 2, outputs=1).tolist() == [[0], [1]]
    for labels in (several[:, 0], several * 0.5, several + 1, several - 1):
        with pytest.raises(UserError, match="must be 0 or 1 for each output"):
            zeros_and_ones(labels, 3, outputs=2)


class Batches(keras.utils.PyDataset):
    def __init__(self, images):
        super().__init__()
        self.images = images

    def __len__(self):
        return 4

    def __getitem__(self, index):
        part = slice(5 * index, 5 * index + 5)
        return np.float32(self.images[part]), CLASSES[part]


def data_set(images):
    return tf.data.Dataset.from_tensor_slices((images, CLASSES))


UNLABELLED = {
    "array": lambda images: images,
    "tensor": tf.constant,
    "list of images": list,
    "list of batches": lambda images: [images[:15], images[15:]],
    "nested lists": lambda images: images.tolist(),
    "TFLite's function": lambda images: (
        lambda: ([np.float32(image[None])] for image in images)
    ),
    "function of dicts": lambda images: (
        lambda: ({"image": image[None]} for image in images)
    ),
    "iterator": iter,
    "data set of images": lambda images: data_set(images).map(lambda x, y: x),
}
LABELLED = {
    "data set": data_set,
    "batches": lambda images: data_set(images).batch(7),
    "one-hot": lambda images: (
        data_set(images).map(lambda x, y: (x, tf.one_hot(y, 3))).batch(7)
    ),
    "with weights": lambda images: data_set(images).map(
        lambda x, y: (x, y, 1.0)
    ),
    "of tensorflow-datasets": lambda images: data_set(images).map(
        lambda x, y: {"image": x, "label": y}
    ),
    "PyDataset": Batches,
    "generator": lambda images: zip(images, CLASSES, strict=True),
}


@pytest.mark.parametrize("form", UNLABELLED | LABELLED)
def test_representative_images_in_every_form(model, images, form):
    given = (UNLABELLED | LABELLED)[form](images)
    found = read_representative_images(given, model)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, images)


@pytest.mark.parametrize("form", LABELLED)
def test_verification_by_a_data_set(model, images, form):
    found, labels = read_verification(LABELLED[form](images), None, model)
    np.testing.assert_array_equal(found, images)
    np.testing.assert_array_equal(labels, CLASSES)


def test_verification_by_images_alone(model, images):
    given = UNLABELLED["data set of images"](images)
    for verification in (given, (given, None)):
        found, labels = read_verification(verification, None, model)
        np.testing.assert_array_equal(found, images)
        assert labels is None


def test_a_function_without_end_is_read_up_to_a_limit(model, images):
    def forever():
        while True:
            yield images[:7]

    found = read_representative_images(forever, model)
    assert len(found) == REPRESENTATIVE_IMAGES


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "for an int8 file. Received: None"),
        ("images", "must be an array, a data set or a generator function"),
        ({"image": 3}, "must be an array, a data set or a generator function"),
        (lambda: None, "Received: NoneType"),
        (lambda: iter([]), "Received: no image"),
        (lambda: iter([np.zeros((1, 8, 8, 3))]), "Received: (1, 8, 8, 3)"),
        (lambda: iter([np.full((16, 16, 3), 0.5)]), "pixels from 0 to 255"),
        (np.full((2, 16, 16, 3), 256), "pixels from 0 to 255"),
        (np.full((2, 16, 16, 3), np.nan), "must be finite numbers"),
        (np.full((2, 16, 16, 3), "a"), "must be finite numbers"),
    ],
)
def test_what_is_no_image_is_refused(model, given, words):
    with pytest.raises(UserError) as error:
        read_representative_images(given, model)
    assert words in str(error.value)


def test_a_dark_batch_among_others_is_taken(model, images):
    batches = [np.zeros((1, 16, 16, 3)), np.float32(images)]
    found = read_representative_images(lambda: iter(batches), model)
    assert len(found) == 21


@pytest.mark.parametrize(
    ("options", "labels", "words"),
    [
        ({"classes": 3}, CLASSES + 1, "integers from 0 to 2"),
        (
            {"classes": 3, "classifier_activation": "sigmoid"},
            CLASSES,
            "0 or 1 for each output of each image, of shape (20, 3)",
        ),
        (
            {"classes": 1, "classifier_activation": None},
            CLASSES * 0.3,
            "such as a regression, give (images, None)",
        ),
        ({"include_top": False}, CLASSES, "must be None for a model that"),
    ],
)
def test_labels_must_fit_the_outputs(images, options, labels, words):
    with pytest.raises(UserError) as error:
        read_verification((images, labels), None, network(**options))
    assert words in str(error.value)


def test_an_output_that_is_not_finite_agrees_with_nothing():
    expected = np.array([[0.9, 0.1], [0.9, 0.1]])
    outputs = np.array([[0.9, 0.1], [np.nan, np.nan]])
    for kind in (OutputKind.CLASSES, OutputKind.LABELS):
        assert kind.agrees(outputs, expected).tolist() == [True, False]
