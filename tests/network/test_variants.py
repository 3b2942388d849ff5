"""The variants are the networks that were published."""

import inspect

import numpy as np
import pytest

import keras_convmixer
from keras_convmixer import ConvMixer, list_variants
from keras_convmixer.architecture import architecture
from keras_convmixer.variants import VARIANTS, Variant

# The paper's table: trainable parameters, multiply-adds in billions.
PUBLISHED = {
    "convmixer_1536_20": (51_625_960, 51.10),
    "convmixer_768_32": (21_110_248, 20.68),
    "convmixer_1024_20": (24_383_464, 5.95),
    "convmixer_1024_16": (19_381_224, 18.69),
    "convmixer_1024_12": (14_621_672, 13.85),
    "convmixer_512_16": (5_357_544, 4.91),
    "convmixer_512_12": (4_165_608, 3.70),
    "convmixer_256_8": (594_186, 0.148),
}


def test_variants_are_those_of_the_paper():
    assert {v["name"] for v in list_variants()} == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_variants_have_the_published_size(name):
    parameters, gmacs = PUBLISHED[name]
    variant = VARIANTS[name]
    assert variant.parameters == parameters
    assert variant.multiply_adds / 1e9 == pytest.approx(gmacs, abs=0.006)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_function_of_a_variant_has_its_numbers_as_defaults(name):
    function = getattr(keras_convmixer, name.replace("convm", "ConvM"))
    variant = VARIANTS[name]
    defaults = {
        parameter.name: parameter.default
        for parameter in inspect.signature(function).parameters.values()
    }
    size = variant.image_size
    assert defaults == defaults | variant.arguments | {
        "input_shape": (size, size, 3),
        "classes": variant.classes,
        "name": name,
    }
    assert function.__name__ in keras_convmixer.__all__


@pytest.mark.parametrize(
    "variant",
    [
        Variant(8, 2, 3, 4, image_size=16, classes=5),
        Variant(5, 3, 8, 2, "relu", image_size=8, classes=1),
        Variant(16, 1, 9, 1, image_size=4, classes=7),
    ],
)
def test_the_number_of_parameters_is_that_of_the_network(variant):
    shape = (variant.image_size, variant.image_size, 3)
    model = ConvMixer(
        **variant.arguments, input_shape=shape, classes=variant.classes
    )
    counted = sum(np.prod(v.shape) for v in model.trainable_variables)
    assert variant.parameters == counted
    statistics = 2 * variant.dim * (2 * variant.depth + 1)
    assert model.count_params() == variant.parameters + statistics


def test_a_variant_builds_its_network():
    model = keras_convmixer.ConvMixer_256_8()
    assert architecture(model) == VARIANTS["convmixer_256_8"].arguments
    assert model.name == "convmixer_256_8"
    assert model.input_shape == (None, 32, 32, 3)
    assert model.output_shape == (None, 10)


def test_a_variant_takes_the_options_of_the_network():
    model = keras_convmixer.ConvMixer_256_8(include_top=False, pooling="avg")
    assert model.input_shape == (None, None, None, 3)
    assert model.output_shape == (None, 256)
