"""The public names have types, and type checkers of users find them."""

import importlib
import inspect
import typing
from importlib.resources import files

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_convmixer
from export.verify import AgreementError, Result
from keras_convmixer import data
from keras_convmixer.applications import Options
from keras_convmixer.data.folder_datasets import ImageFolder
from keras_convmixer.data.image_data import ImageData
from keras_convmixer.data.index import IndexedImage
from keras_convmixer.data.source import Source
from keras_convmixer.evaluation.classifier import Classifier, Prediction
from keras_convmixer.evaluation.predictions import Mistake, Predictions
from keras_convmixer.evaluation.scores import Reliability, Scores
from keras_convmixer.evaluation.stored_images import StoredImage
from keras_convmixer.evaluation.threshold import Answers, Threshold
from keras_convmixer.runs import Plan, Recipe, RunFolder
from keras_convmixer.utils.checks import UserError

PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (keras_convmixer, data)
    for name in module.__all__
}
# What public functions take, return or raise.
CLASSES = (
    *(AgreementError, Answers, Classifier, ImageData, ImageFolder, Mistake),
    *(Plan, Prediction, Predictions, Recipe, Reliability, Result, RunFolder),
    *(Scores, Source, StoredImage, Threshold, UserError),
)
# Names that modules import for type checkers only.
NAMES = {
    "ImageData": ImageData,
    "IndexedImage": IndexedImage,
    "keras": keras,
    "tf": tf,
}


def functions_of(owner):
    """The functions of a class that are its own and public, by name."""
    for name, member in vars(owner).items():
        is_special = name in ("__init__", "__call__", "__fspath__", "__len__")
        if name.startswith("_") and not is_special:
            continue
        if isinstance(member, property):
            member = member.fget
        # Class methods and cached properties have their function in one.
        member = getattr(member, "__func__", getattr(member, "func", member))
        if inspect.isfunction(member):
            yield f"{owner.__name__}.{name}", member


def missing_types(function, is_method):
    """The parameters of a function without a type, and "return"."""
    signature = inspect.signature(function)
    parameters = [*signature.parameters.values()][is_method:]
    missing = [p.name for p in parameters if p.annotation is p.empty]
    has_return = signature.return_annotation is not signature.empty
    return missing if has_return else [*missing, "return"]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_all_types(name):
    value = PUBLIC[name]
    if inspect.isclass(value):
        assert value in CLASSES
    else:
        assert missing_types(value, is_method=False) == []
        assert "return" in typing.get_type_hints(value, localns=NAMES)


@pytest.mark.parametrize("owner", CLASSES)
def test_a_class_has_all_types(owner):
    functions = dict(functions_of(owner))
    for name, function in functions.items():
        assert missing_types(function, is_method=True) == [], name
        assert typing.get_type_hints(function, localns=NAMES), name
    assert functions or typing.get_type_hints(owner)
    # A list or dict says what is in it, except in what JSON files hold.
    hints = typing.get_type_hints(owner, localns=NAMES)
    assert not {list, dict, tuple}.intersection(hints.values())


def test_a_named_network_has_the_types_of_convmixer():
    signature = inspect.signature(keras_convmixer.ConvMixer)
    types = typing.get_type_hints(keras_convmixer.ConvMixer)
    assert types.pop("return") is keras.Model
    assert set(types) == set(signature.parameters)
    assert typing.get_type_hints(Options) == types


@pytest.mark.parametrize("package", ["keras_convmixer", "export"])
def test_type_checkers_find_the_types(package):
    assert (
        files(importlib.import_module(package)).joinpath("py.typed").is_file()
    )


def test_scores_are_what_their_types_say():
    scores = Scores(classes=2)
    scores.add(np.array([[0.8, 0.2], [0.6, 0.4]]), np.array([0, 1]))
    for name, function in functions_of(Scores):
        if name in ("Scores.__init__", "Scores.add"):
            continue
        kind = typing.get_type_hints(function)["return"]
        kind = getattr(kind, "__origin__", kind)
        assert isinstance(function(scores), kind), name
