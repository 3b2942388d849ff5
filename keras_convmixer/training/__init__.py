"""Recipes, and the training itself.

Light to import: `train` and `resume` are in `keras_convmixer.training.train`,
which takes TensorFlow's seconds.
"""

from keras_convmixer.training.recipes import RECIPES, recipe_for

__all__ = ["RECIPES", "recipe_for"]
