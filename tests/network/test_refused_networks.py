"""What is not understood of a network of the user's own is refused."""

import keras
import numpy as np
import pytest
from keras import layers

from tests.network.own_networks import (
    SHAPE,
    backbone,
    in_front,
    inference_model,
    two_networks,
)


class Doubled(layers.Dropout):
    """A dropout that isn't one."""

    def call(self, inputs, training=None):
        return 2 * inputs


@keras.saving.register_keras_serializable()
class Subtracted(layers.Add):
    """A sum that isn't one."""

    def _merge_function(self, inputs):
        return inputs[0] - inputs[1]


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.network = backbone()

    def call(self, x):
        return 255 - self.network(x)


def with_inserted_layer():
    """A ConvMixer with a dropout between its blocks."""
    source = backbone()

    def insert(layer, *args, **kwargs):
        x = layer(*args, **kwargs)
        if layer.name == "block_0_pointwise_norm":
            x = layers.ReLU(name="inserted")(x)
        return x

    return keras.models.clone_model(source, call_function=insert)


def skip_connection():
    model = backbone()
    middle = model.get_layer("block_0_add").output
    x = layers.Add(name="skip")([model.output, middle])
    return keras.Model(model.input, x)


def changed(**changes):
    """A ConvMixer, one layer of which has another option."""

    def change(layer):
        config = layer.get_config()
        return type(layer).from_config(config | changes.get(layer.name, {}))

    return keras.models.clone_model(backbone(), clone_function=change)


def used_twice():
    model = backbone(pooling="avg")
    image = keras.Input(SHAPE)
    return keras.Model(image, model(image) + model(image / 2))


def two_outputs():
    model = backbone(pooling="avg")
    x = model.output
    return keras.Model(model.input, [layers.Dense(1)(x), layers.Dense(2)(x)])


def two_inputs():
    model = backbone(pooling="avg")
    other = keras.Input((2,), name="other")
    x = layers.Concatenate()([model.output, other])
    return keras.Model([model.input, other], x)


def from_the_input():
    model = backbone(include_preprocessing=False, patch_size=1)
    x = layers.Concatenate(name="beside")([model.output, model.input])
    return keras.Model(model.input, x)


def unbuilt():
    return keras.Sequential([backbone()], name="unbuilt")


REFUSED = {
    "arithmetic in front": (
        lambda: in_front(lambda image: 255 - image),
        "'subtract.*Subtract",
    ),
    "resizing in front": (
        lambda: keras.Sequential(
            [
                keras.Input((16, 16, 3)),
                layers.Resizing(8, 8, name="half"),
                backbone(),
            ]
        ),
        "'half'.*Resizing",
    ),
    "a Lambda in front": (
        lambda: in_front(layers.Lambda(lambda x: x, name="mystery")),
        "'mystery'.*Lambda",
    ),
    "a convolution in front": (
        lambda: in_front(layers.Conv2D(3, 1, name="conv")),
        "'conv'.*Conv2D",
    ),
    "a class of the user's in front": (
        lambda: in_front(Doubled(0.1, name="doubled")),
        "'doubled'.*Doubled",
    ),
    "a Normalization of each pixel": (
        lambda: in_front(
            layers.Normalization(
                axis=(1, 2, 3),
                mean=np.ones(SHAPE),
                variance=np.ones(SHAPE),
                name="each_pixel",
            )
        ),
        "'each_pixel'.*one a channel",
    ),
    "Rescaling that makes channels": (
        lambda: backbone(
            input_tensor=layers.Rescaling([1.0, 2.0, 3.0], name="colour")(
                keras.Input((8, 8, 1))
            )
        ),
        "'colour'",
    ),
    "an inserted layer": (with_inserted_layer, "'block_1_depthwise'.*inserted"),
    "a skip connection": (skip_connection, "'skip'"),
    "a skip connection from the input": (from_the_input, "'beside'"),
    "a class of the user's in the trunk": (
        lambda: keras.models.clone_model(
            backbone(),
            clone_function=lambda layer: {layers.Add: Subtracted}.get(
                type(layer), type(layer)
            ).from_config(layer.get_config()),
        ),
        "'block_0_add' must be a keras.layers.Add",
    ),
    "another dilation": (
        lambda: changed(block_1_depthwise={"dilation_rate": 2}),
        "'block_1_depthwise' must have dilation_rate",
    ),
    "another activation": (
        lambda: changed(block_1_depthwise_activation={"activation": "relu"}),
        "'block_1_depthwise_activation' must have activation",
    ),
    "used twice": (used_twice, "'stem_conv' runs 2 times"),
    "two networks": (two_networks, "one ConvMixer"),
    "two outputs": (two_outputs, "one input and one output"),
    "two inputs": (two_inputs, "one input and one output"),
    "a subclass": (Subclassed, "functional or sequential"),
    "an unbuilt model": (unbuilt, "'unbuilt'"),
    "a path": (lambda: "model.keras", "'model.keras', str"),
    "no ConvMixer": (
        lambda: keras.Sequential([keras.Input((3,)), layers.Dense(1)]),
        "must be one that keras_convmixer",
    ),
}


@pytest.mark.parametrize("network", REFUSED)
def test_what_is_not_understood_is_refused(network):
    build, message = REFUSED[network]
    with pytest.raises(ValueError, match=message):
        inference_model(build())


def test_two_networks_on_one_tensor_are_an_error_that_says_how():
    image = keras.Input(SHAPE)
    backbone(input_tensor=image)
    with pytest.raises(ValueError, match=r"Average\(\)\(\[first\(image\)"):
        backbone(input_tensor=image / 2)
    first = backbone(input_shape=(2, 2, 8))
    with pytest.raises(ValueError, match="ConvMixer on it already"):
        backbone(input_tensor=first.output, patch_size=1)


def test_a_layer_with_the_name_of_the_normalisation_is_an_error():
    with pytest.raises(ValueError, match="another name"):
        in_front(layers.Normalization(mean=0, variance=1, name="normalization"))
