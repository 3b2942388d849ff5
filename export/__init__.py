"""Writes a trained model as files for devices, and proves each of them.

`export_tflite` does so from Python, `python -m export` for a run folder.
"""

from typing import TYPE_CHECKING

from .formats import DEFAULT_FORMATS, FORMATS, IO, TFLITE_FORMATS

if TYPE_CHECKING:
    from .tflite_export import AgreementError, export_tflite

__all__ = [
    "DEFAULT_FORMATS",
    "FORMATS",
    "IO",
    "TFLITE_FORMATS",
    "AgreementError",
    "export_tflite",
]
LAZY = ("AgreementError", "export_tflite")

QAT_EPOCHS = 5
PROOF_IMAGES = 10_000


def __getattr__(name):
    # When first used: a command answers a mistake before Keras is imported.
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import tflite_export

    return getattr(tflite_export, name)


def __dir__():
    return [*globals(), *__all__]
