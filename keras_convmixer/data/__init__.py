"""Pictures as `tf.data` sets: where they come from and what is held out.

Light to import: the loaders, which take TensorFlow's seconds, are imported by
`Source.load`.
"""

from keras_convmixer.data.source import Source

__all__ = ["Source"]
