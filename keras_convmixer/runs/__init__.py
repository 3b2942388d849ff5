"""Run folders: what a training writes, an evaluation and an export read."""

from keras_convmixer.runs.plan import Plan
from keras_convmixer.runs.recipe import Recipe
from keras_convmixer.runs.run_folder import RunFolder

__all__ = ["Plan", "Recipe", "RunFolder"]
