"""ConvMixer for Keras 3.

Names are looked up when they are first used: the command lines answer a
mistake without the seconds that Keras takes to import.
"""

import importlib

__version__ = "0.1.0"

_MODULE_OF = {
    "ConvMixer": "convmixer",
    "ConvMixer_1536_20": "applications",
    "ConvMixer_768_32": "applications",
    "ConvMixer_1024_20": "applications",
    "ConvMixer_1024_16": "applications",
    "ConvMixer_1024_12": "applications",
    "ConvMixer_512_16": "applications",
    "ConvMixer_512_12": "applications",
    "ConvMixer_256_8": "applications",
    "center_crop": "data.preprocessing",
    "decode_predictions": "applications",
    "feature_model": "features",
    "freeze": "features",
    "list_variants": "variants",
    "preprocess_input": "applications",
    "reparameterize": "inference",
}
__all__ = list(_MODULE_OF)


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULE_OF[name]}")
    return getattr(module, name)


def __dir__():
    return [*globals(), *__all__]
