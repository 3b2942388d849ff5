"""Writes a trained model as files for devices, and proves each of them.

`export_model` does so from Python, `python -m export` for a run folder.
"""

import importlib
from typing import TYPE_CHECKING, Any

from .formats import DEFAULT_FORMATS, FORMATS, IO, TFLITE_FORMATS

if TYPE_CHECKING:
    from .model_export import export_model
    from .tflite_export import export_tflite
    from .verify import AgreementError

__all__ = [
    "DEFAULT_FORMATS",
    "FORMATS",
    "IO",
    "TFLITE_FORMATS",
    "AgreementError",
    "export_model",
    "export_tflite",
]
_MODULE_OF = {
    "AgreementError": "verify",
    "export_model": "model_export",
    "export_tflite": "tflite_export",
}

QAT_EPOCHS = 5
VERIFICATION_IMAGES = 10_000
# Of a run; ranges hardly change with more.
REPRESENTATIVE_IMAGES = 200


def __getattr__(name: str) -> Any:
    # When first used: a command answers a mistake before Keras is imported.
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_MODULE_OF[name]}", __name__)
    return getattr(module, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
