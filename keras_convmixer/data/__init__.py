"""Images as `tf.data` sets: sources, held-out parts, augmentation.

Light to import: what takes TensorFlow's seconds is imported when it is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from keras_convmixer.data.source import Source

if TYPE_CHECKING:  # For editors and type checkers.
    from keras_convmixer.data.erasing import random_erasing
    from keras_convmixer.data.randaugment import rand_augment
    from keras_convmixer.data.seeds import image_seeds

_MODULE_OF = {
    "image_seeds": "seeds",
    "rand_augment": "randaugment",
    "random_erasing": "erasing",
}
__all__ = ["Source", "image_seeds", "rand_augment", "random_erasing"]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULE_OF[name]}")
    return getattr(module, name)
