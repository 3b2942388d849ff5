"""Packages that are installed only where somebody wants them."""

import importlib.util

from keras_convmixer.utils.checks import UserError


def check_onnx(what):
    """A UserError where the extra `onnx` is missing; `what` needs it."""
    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"{what} needs pip install 'keras-convmixer[onnx]': there is "
                f"no {package}"
            )


def export_package():
    """The name of the package that the folder `export` is.

    It is a part of the installed package, and beside it in a checkout.
    """
    installed = importlib.util.find_spec("keras_convmixer.export")
    return "keras_convmixer.export" if installed else "export"
