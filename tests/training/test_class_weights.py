"""Classes of few images: they are named, and can count as much as others."""

import keras
import numpy as np
import pytest

from keras_convmixer.data.augmentation import Augmentation
from keras_convmixer.data.batches import training_batches
from keras_convmixer.training.compile import compile_for_training
from keras_convmixer.training.recipes import DIGITS
from keras_convmixer.training.summary import (
    class_counts,
    warn_of_imbalance,
)
from tests.helpers import unbalanced


def test_balanced_classes_count_the_same_in_the_loss():
    data = unbalanced([5, 15, 40])
    weights = data.balanced_weights()
    # Each class has the same in sum, and an image 1 in the mean.
    np.testing.assert_allclose(weights * [5, 15, 40], [20, 20, 20])
    recipe = DIGITS.replace(dim=8, depth=1, mixup=0.5, label_smoothing=0.1)
    images, labels, given = next(
        training_batches(
            data=data,
            batch_size=60,
            steps=1,
            seed=0,
            augmentation=Augmentation(recipe),
            class_weights=weights,
        ).as_numpy_iterator()
    )
    assert (labels.max(-1) < 1).any()  # Some are mixed.
    np.testing.assert_allclose(given, labels @ weights, rtol=1e-6)
    model = recipe.build(3)
    compile_for_training(model, recipe, total_steps=1)
    probabilities = keras.ops.convert_to_numpy(model(images, training=True))
    smooth = 0.9 * labels + 0.1 / 3
    losses = -(smooth * np.log(probabilities)).sum(-1)
    loss, _ = model.train_on_batch(images, labels, given)
    assert loss == pytest.approx((given * losses).mean(), rel=1e-5)


def test_classes_of_few_images_are_named(capsys):
    few = unbalanced([5, 15, 49])
    assert class_counts(few) == "class 0 5, class 1 15, class 2 49"
    assert class_counts(unbalanced(range(1, 23))) == (
        "least class 0 1, median class 11 12, most class 21 22"
    )
    warn_of_imbalance(few)
    assert capsys.readouterr().out == ""
    warn_of_imbalance(unbalanced([5, 15, 50]))
    (line,) = capsys.readouterr().out.splitlines()
    assert "class 2 has 50 training images and class 0 5" in line
