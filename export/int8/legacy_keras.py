"""tensorflow-model-optimization and the Keras 2 that it works on.

Its import tells TensorFlow, by an environment variable, to take Keras 2 for
`tf.keras`, here and in every child process. Imported from this module it
leaves both as they were.
"""

import os
import warnings

import tensorflow as tf

SWITCH = "TF_USE_LEGACY_KERAS"

tf.keras.Model  # noqa: B018  TensorFlow chooses its Keras when first asked.
before = os.environ.get(SWITCH)
try:
    with warnings.catch_warnings():
        # It still looks for distutils.
        warnings.simplefilter("ignore", DeprecationWarning)
        import tensorflow_model_optimization as tfmot
        import tf_keras
finally:
    if before is None:
        os.environ.pop(SWITCH, None)
    else:
        os.environ[SWITCH] = before

__all__ = ["tf_keras", "tfmot"]
