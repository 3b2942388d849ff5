"""The examples in the docstrings of the public functions are right."""

import doctest
import inspect

import pytest

import keras_convmixer
from keras_convmixer.variants import VARIANTS

# They are large; their text is that of ConvMixer_256_8, but for the numbers.
LARGE = [
    name.replace("convm", "ConvM")
    for name in VARIANTS
    if name != "convmixer_256_8"
]


def examples(name):
    text = inspect.getdoc(getattr(keras_convmixer, name))
    return doctest.DocTestParser().get_doctest(text, {}, name, None, 0)


@pytest.mark.parametrize("name", sorted({*keras_convmixer.__all__} - {*LARGE}))
def test_examples_of_public_functions_are_right(name):
    found = examples(name)
    run = [e for e in found.examples if doctest.SKIP not in e.options]
    assert run, f"{name} has no example"
    assert doctest.DocTestRunner().run(found).failed == 0


@pytest.mark.parametrize("name", LARGE)
def test_large_variants_have_the_example_of_the_small_one(name):
    def template(name):
        return [e.source.replace(name, "NAME") for e in examples(name).examples]

    assert template(name) == template("ConvMixer_256_8")
