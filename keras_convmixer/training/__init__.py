"""Recipes, what a training writes, and the training itself.

Light to import: `train` and `resume` are in `keras_convmixer.training.train`,
which takes TensorFlow's seconds.
"""

from keras_convmixer.training.plan import Plan
from keras_convmixer.training.recipes import RECIPES, Recipe, recipe_for
from keras_convmixer.training.run_folder import RunFolder

__all__ = ["RECIPES", "Plan", "Recipe", "RunFolder", "recipe_for"]
