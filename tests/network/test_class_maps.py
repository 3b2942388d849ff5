"""Maps of classes whose means are the scores."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_convmixer import ConvMixer, class_map_model
from tests.helpers import randomize_norms


def trunk(**options):
    options = {"input_shape": (12, 16, 3), "include_top": False, **options}
    return ConvMixer(8, 2, 3, 4, **options)


def nested():
    image = keras.Input((12, 16, 3))
    x = trunk(include_preprocessing=False)(layers.Rescaling(1 / 255)(image))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    x = layers.Dense(4, use_bias=False)(x)
    return keras.Model(image, layers.Softmax()(x))


def sequential():
    pool, head = layers.GlobalAveragePooling2D(), layers.Dense(1, "sigmoid")
    return keras.Sequential([trunk(), layers.SpatialDropout2D(0.1), pool, head])


def plain():
    return ConvMixer(8, 2, 3, 4, input_shape=(12, 16, 3), classes=5)


def any_size():
    return ConvMixer(
        *(8, 1, 4, 4),
        input_shape=(None, None, 3),
        classes=5,
        dropout=0.5,
        classifier_activation=None,
    )


@pytest.mark.parametrize("build", [plain, any_size, nested, sequential])
def test_the_mean_of_a_map_is_the_score(build):
    model = build()
    randomize_norms(model)
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (3, 12, 16, 3)).astype("float32")
    maps = class_map_model(model).predict(images, verbose=0)
    expected = model.predict(images, verbose=0)
    assert maps.shape == (3, 3, 4, expected.shape[-1])
    scores = maps.mean((1, 2))
    if build is sequential:
        scores = keras.ops.sigmoid(scores)
    elif build is not any_size:
        scores = keras.ops.softmax(scores)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("tail", "received"),
    [
        (lambda: [layers.Identity()], "Received: Identity$"),
        (lambda: [layers.GlobalAveragePooling2D()], "GlobalAveragePooling2D$"),
        (lambda: [layers.Flatten(), layers.Dense(3)], "Flatten, Dense"),
        (
            lambda: [layers.GlobalMaxPooling2D(), layers.Dense(3)],
            "GlobalMaxPooling2D",
        ),
        (
            lambda: [
                layers.GlobalAveragePooling2D(),
                layers.Dense(4, activation="relu"),
                layers.Dense(3),
            ],
            "Dense, Dense",
        ),
    ],
)
def test_another_head_is_refused(tail, received):
    model = keras.Sequential([trunk(), *tail()])
    with pytest.raises(ValueError, match=received):
        class_map_model(model)


def test_a_branch_around_the_head_is_refused():
    base = trunk()
    mean = layers.GlobalAveragePooling2D()(base.output)
    most = layers.GlobalMaxPooling2D()(base.output)
    scores = layers.Dense(3)(layers.Add()([mean, most]))
    with pytest.raises(ValueError, match="must end in GlobalAverage"):
        class_map_model(keras.Model(base.input, scores))
