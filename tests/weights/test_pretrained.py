"""The weights in the package."""

import csv
import hashlib
import re
import warnings

import keras
import numpy as np
import pytest

import keras_convmixer
from keras_convmixer import ConvMixer
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from keras_convmixer.training.recipes import RECIPES
from keras_convmixer.variants import VARIANTS, parse_variant, short_form
from keras_convmixer.weights.shipped import (
    SHIPPED_FOLDER,
    shipped_files,
    trained_on_and_network,
)
from tests.helpers import shared

SHIPPED = [path.stem for path in shipped_files()]


def build(stem, **options):
    """The network of a file's name, with the weights of its data set."""
    data, network = trained_on_and_network(SHIPPED_FOLDER / stem)
    options = {"input_shape": (32, 32, 3), "classes": 10} | options
    arguments = parse_variant(network).arguments
    return ConvMixer(**arguments, weights=data, **options)


def card_top1(stem):
    (percent,) = re.findall(
        r"^\*\*([\d.]+)%\*\*", (SHIPPED_FOLDER / f"{stem}.md").read_text(), re.M
    )
    return float(percent) / 100


def digest(model):
    """SHA-256 of the names and values of all weights, however stored."""
    total = hashlib.sha256()
    values = {
        f"{layer.name}/{weight.name}": keras.ops.convert_to_numpy(weight)
        for layer in model.layers
        for weight in layer.weights
    }
    for name in sorted(values):
        total.update(name.encode())
        total.update(values[name].tobytes())
    return total.hexdigest()


def stripes():
    """Float32 pixels `[3, 32, 32, 3]`: stripes of several widths."""
    y, x, channel = np.mgrid[:32, :32, :3]
    return np.stack(
        [
            127.5 + 127.5 * np.sin((a * x + b * y) / 10 + 2 * channel)
            for a, b in ((1, 2), (5, -3), (0, 9))
        ]
    ).astype("float32")


# Of the weights as they came from the training: their digest, and the
# probabilities of the classes for each of the stripes.
KNOWN = {
    "cifar10-128-8-k7-p2": (
        "71f580533b4560061f9903da9e05f784d6d48a1ae33e4c8a3e592fb848c62390",
        """
        .07891 .12185 .04582 .50876 .00794 .01750 .12113 .00127 .09318 .00365
        .20191 .15689 .07180 .43855 .00213 .02805 .03319 .00047 .05216 .01484
        .04976 .06815 .01725 .78379 .00282 .02146 .00571 .00191 .02954 .01960
        """,
    ),
    "cifar10-256-8-k5-p2": (
        "e5f3481b9ee1a86df21d9740821a928d834277f79a9e736dca8fb5d1bab9e990",
        """
        .89475 .01117 .01708 .00276 .00475 .00108 .00109 .00052 .06366 .00313
        .00006 .00083 .99499 .00058 .00002 .00018 .00310 .00012 .00005 .00005
        .89722 .02302 .02240 .00419 .00407 .00104 .00083 .00110 .03784 .00828
        """,
    ),
}


@pytest.mark.parametrize("stem", SHIPPED)
def test_weights_are_those_that_were_trained(stem):
    model = build(stem)
    known_digest, probabilities = KNOWN[stem]
    assert digest(model) == known_digest
    np.testing.assert_allclose(
        model.predict(stripes(), verbose=0),
        np.float32(probabilities.split()).reshape(-1, 10),
        atol=1e-4,
    )


def test_the_network_of_the_recipe_is_there():
    network = short_form(**RECIPES["cifar10_cpu"].network)
    assert "-".join(["cifar10", *network.split("/")]) in SHIPPED


def test_named_networks_have_the_weights_that_they_list():
    listed = {
        short_form(**variant.arguments)
        for variant in VARIANTS.values()
        if "cifar10" in variant.weights
    }
    assert listed == {"256/8/k5/p2"}
    model = keras_convmixer.ConvMixer_256_8(weights="cifar10")
    assert digest(model) == KNOWN["cifar10-256-8-k5-p2"][0]


@pytest.mark.parametrize("stem", SHIPPED)
def test_card_says_what_the_log_says(stem):
    with (SHIPPED_FOLDER / f"{stem}.csv").open(newline="") as file:
        *_, last = csv.DictReader(file)
    accuracy = float(last["val_accuracy"])
    # The log's is that of the training's precision: 16 bits, on a GPU.
    assert card_top1(stem) == pytest.approx(accuracy, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("stem", SHIPPED)
def test_held_out_accuracy_is_that_of_the_card(stem):
    data = Source("cifar10", data_dir=str(shared("tfds"))).load(32)
    images, labels = as_arrays(data.held_out, 1000)
    predicted = build(stem).predict(images, verbose=0).argmax(-1)
    # Three deviations of a thousand draws.
    assert (predicted == labels).mean() > card_top1(stem) - 0.035


def test_another_network_has_none():
    message = "exist for 128/8/k7/p2, 256/8/k5/p2.*'dim': 64"
    with pytest.raises(ValueError, match=message):
        ConvMixer(64, 8, 7, 2, classes=10, weights="cifar10")


def test_another_number_of_classes_gets_a_new_head():
    stem = SHIPPED[0]
    with pytest.warns(UserWarning, match="head is new"):
        new = build(stem, classes=3)
    old = build(stem)
    for layer in new.layers:
        if layer.name != "head":
            for ours, theirs in zip(
                layer.get_weights(),
                old.get_layer(layer.name).get_weights(),
                strict=True,
            ):
                np.testing.assert_array_equal(ours, theirs)


def test_features_are_those_behind_the_classifier():
    stem = SHIPPED[0]
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features = build(stem, include_top=False, pooling="avg")
    model = build(stem)
    inner = keras.Model(model.input, model.get_layer("pool").output)
    np.testing.assert_allclose(
        features.predict(images, verbose=0),
        inner.predict(images, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )
