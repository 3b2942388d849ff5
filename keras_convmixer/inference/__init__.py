"""Trainable model -> inference model: the same function, as devices run it."""

from keras_convmixer.inference.front import takes_pixels
from keras_convmixer.inference.reparameterize import reparameterize

__all__ = ["reparameterize", "takes_pixels"]
