"""Recipes, and the training itself.

Light to import: `keras_convmixer.training.train` takes TensorFlow's seconds.
"""

from keras_convmixer.training.recipes import RECIPES, recipe_for

__all__ = ["RECIPES", "recipe_for"]
