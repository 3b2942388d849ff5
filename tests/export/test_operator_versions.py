"""Files state the versions that TensorFlow's own rules ask for."""

import ctypes

import numpy as np
import pytest
import tensorflow as tf

from export.flatbuffer import pack, unpack
from export.tflite import convert
from keras_convmixer import ConvMixer
from tests.helpers import EACH_FILE, slow_cases

# The rules are C++ functions of TensorFlow's that Python has no door to; on
# Linux their names are these.
LIBRARY = "libtensorflow_cc.so.2"
RULES = (
    "_ZN6tflite15UpdateOpVersionEPh",
    "_ZN6tflite35UpdateMinimumRuntimeVersionForModelEPh",
)


@pytest.fixture(scope="module")
def rules():
    try:
        library = ctypes.CDLL(f"{tf.sysconfig.get_lib()}/{LIBRARY}")
        return [getattr(library, name) for name in RULES]
    except (OSError, AttributeError):
        pytest.skip("this TensorFlow keeps its rules to itself")


def stated(model):
    """Versions of the operators, then the first runtime that has them."""
    (runtime,) = (
        bytes(model.buffers[metadata.buffer].data).rstrip(b"\0")
        for metadata in model.metadata
        if metadata.name == b"min_runtime_version"
    )
    codes = [(code.builtinCode, code.version) for code in model.operatorCodes]
    return codes, runtime.decode()


def by_the_rules(contents, rules):
    """The same as TensorFlow finds it out, which only raises versions."""
    model = unpack(contents)
    for code in model.operatorCodes:
        code.version = 0
    contents = ctypes.create_string_buffer(pack(model))
    for rule in rules:
        rule(contents)
    return stated(unpack(contents.raw))


@pytest.mark.parametrize("format", EACH_FILE)
def test_versions_are_those_of_the_rules(format, digits_export, rules):
    contents = (digits_export / f"digits_{format}.tflite").read_bytes()
    assert stated(unpack(contents)) == by_the_rules(contents, rules)


@pytest.mark.parametrize(
    ("dim", "activation", "format", "io"),
    [
        (8, "relu", "int8", "int8"),
        (512, "gelu", "dynamic", "uint8"),
        *slow_cases((8, "relu", "int8_fast", "uint8")),
    ],
)
def test_those_of_other_operators_too(dim, activation, format, io, rules):
    model = ConvMixer(
        *(dim, 1, 7, 4),
        input_shape=(16, 16, 3),
        classes=5,
        activation=activation,
    )
    images = np.zeros((2, 16, 16, 3), "uint8")
    contents = convert(model, format, images, io)
    assert stated(unpack(contents)) == by_the_rules(contents, rules)
