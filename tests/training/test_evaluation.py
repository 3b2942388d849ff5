"""What a training reached: accuracy, mistakes and confusions."""

import csv
import tracemalloc
from collections import Counter

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from keras_convmixer.evaluation.plots import plot_confusion
from keras_convmixer.evaluation.predictions import predict


def reader(classes):
    """A model whose probabilities are read off the first pixels."""
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Flatten()(inputs)[:, : 3 * classes : 3]
    return keras.Model(inputs, keras.layers.Rescaling(1 / 255)(outputs))


def labelled(count, classes):
    """Random images and labels."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, 8, 8, 3)).astype("uint8")
    return images, random.integers(0, classes, count)


def longest_side(path):
    """In pixels."""
    with Image.open(path) as image:
        return max(image.size)


def test_predictions_are_those_of_the_model():
    images, labels = labelled(100, 4)
    data = tf.data.Dataset.from_tensor_slices((images, labels))
    found = predict(reader(4), data, shown_mistakes=10)
    probabilities = images[:, 0, :4, 0] / 255
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.classes, probabilities.argmax(-1))
    wrong = np.flatnonzero(probabilities.argmax(-1) != labels)
    assert found.top1 == (100 - len(wrong)) / 100
    confidence = probabilities.max(-1)
    worst = sorted(confidence[wrong], reverse=True)[:10]
    np.testing.assert_allclose([m.confidence for m in found.mistakes], worst)
    for mistake in found.mistakes:
        (index,) = np.flatnonzero((images == mistake.image).all((1, 2, 3)))
        assert mistake.label == labels[index] != mistake.prediction


def test_memory_does_not_grow_with_the_number_of_images():
    def picture(number):
        return tf.fill((128, 128, 3), tf.cast(number % 256, tf.uint8)), 1

    inputs = keras.Input((128, 128, 3))
    outputs = keras.layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, keras.layers.Softmax()(outputs))
    data = tf.data.Dataset.range(1000).map(picture)
    tracemalloc.start()
    try:
        found = predict(model, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.top1 == 0  # All of them are mistakes.
    assert len(found.mistakes) == 24
    # Together they have 49 million bytes.
    assert peak < 10_000_000


def test_a_confusion_matrix_of_few_classes(tmp_path):
    names = [f"class {i}" for i in range(50)]
    counts = Counter({(i, i): 1 for i in range(50)})
    plot_confusion(counts, names, tmp_path / "confusion.png")
    assert longest_side(tmp_path / "confusion.png") < 4000
    assert [path.name for path in tmp_path.iterdir()] == ["confusion.png"]


def test_of_many_classes_all_confusions_are_listed_and_the_most_drawn(tmp_path):
    random = np.random.default_rng(0)
    names = [f"class {i}, of many" for i in range(1000)]
    labels, predictions = random.integers(0, 1000, (2, 5000))
    counts = Counter(zip(labels.tolist(), predictions.tolist(), strict=True))
    plot_confusion(counts, names, tmp_path / "confusion.png")
    assert longest_side(tmp_path / "confusion.png") < 2000
    with open(tmp_path / "confusion.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {
        (row["true"], row["predicted"]): int(row["count"]) for row in rows
    } == {(names[i], names[j]): count for (i, j), count in counts.items()}
