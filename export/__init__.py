"""Writes a trained model as files for devices, and proves each of them.

`export_tflite` does so from Python, `python -m export` for a run folder.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tflite_export import AgreementError, export_tflite

__all__ = ["AgreementError", "export_tflite"]

TFLITE_FORMATS = ("float32", "float16", "dynamic", "int8", "int8_fast", "gpu")
FORMATS = ("saved_model", *TFLITE_FORMATS, "int8_qat", "onnx")
# The others are larger, fine-tuned, or need an extra.
DEFAULT_FORMATS = (
    "saved_model",
    "float32",
    "float16",
    "dynamic",
    "int8",
    "gpu",
)
IO = ("uint8", "int8")
QAT_EPOCHS = 5
PROOF_IMAGES = 10_000


def __getattr__(name):
    # When first used: a command answers a mistake before Keras is imported.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import tflite_export

    return getattr(tflite_export, name)


def __dir__():
    return [*globals(), *__all__]
