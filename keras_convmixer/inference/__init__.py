"""Trainable model -> inference model: the same function, as devices run it."""

from keras_convmixer.inference.reparameterize import reparameterize

__all__ = ["reparameterize"]
