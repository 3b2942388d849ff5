"""ConvMixer for Keras 3.

Names are looked up when they are first used: the command lines answer a
mistake without the seconds that Keras takes to import.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # For editors and type checkers.
    from keras_convmixer.applications import (
        ConvMixer_256_8 as ConvMixer_256_8,
        ConvMixer_512_12 as ConvMixer_512_12,
        ConvMixer_512_16 as ConvMixer_512_16,
        ConvMixer_768_32 as ConvMixer_768_32,
        ConvMixer_1024_12 as ConvMixer_1024_12,
        ConvMixer_1024_16 as ConvMixer_1024_16,
        ConvMixer_1024_20 as ConvMixer_1024_20,
        ConvMixer_1536_20 as ConvMixer_1536_20,
        decode_predictions as decode_predictions,
        preprocess_input as preprocess_input,
    )
    from keras_convmixer.convmixer import ConvMixer as ConvMixer
    from keras_convmixer.data.crop import center_crop as center_crop
    from keras_convmixer.data.decode import read_image as read_image
    from keras_convmixer.data.folder_datasets import (
        image_folder as image_folder,
    )
    from keras_convmixer.evaluation.calibration import calibrate as calibrate
    from keras_convmixer.evaluation.classifier import load as load
    from keras_convmixer.evaluation.scoring import evaluate as evaluate
    from keras_convmixer.features import (
        class_map_model as class_map_model,
        feature_model as feature_model,
        freeze as freeze,
    )
    from keras_convmixer.inference import reparameterize as reparameterize
    from keras_convmixer.training.options import (
        resume as resume,
        train as train,
    )
    from keras_convmixer.variants import list_variants as list_variants

    from .export import (
        AgreementError as AgreementError,
        export_model as export_model,
        export_tflite as export_tflite,
    )

__version__ = "1.0.0"

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
    "calibrate": "evaluation.calibration",
    "center_crop": "data.crop",
    "class_map_model": "features",
    "evaluate": "evaluation.scoring",
    "decode_predictions": "applications",
    "feature_model": "features",
    "freeze": "features",
    "image_folder": "data.folder_datasets",
    "list_variants": "variants",
    "load": "evaluation.classifier",
    "preprocess_input": "applications",
    "read_image": "data.decode",
    "reparameterize": "inference",
    "resume": "training.options",
    "train": "training.options",
}
# Of the folder `export`, which knows this package, and not the reverse.
_EXPORT = ["AgreementError", "export_model", "export_tflite"]
__all__ = sorted([*_MODULE_OF, *_EXPORT])


def __getattr__(name: str) -> Any:
    if name in _EXPORT:
        from keras_convmixer.utils.extras import export_package

        return getattr(importlib.import_module(export_package()), name)
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULE_OF[name]}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
