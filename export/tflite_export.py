"""`export_tflite`: a trained model as one verified file, from Python."""

import contextlib
import io as streams
import warnings
from functools import partial
from pathlib import Path

import numpy as np

from keras_convmixer.utils.backend import check_tensorflow
from keras_convmixer.utils.checks import UserError, check_choice
from keras_convmixer.utils.commands import silent_libraries
from keras_convmixer.utils.files import replacing

from . import IO, TFLITE_FORMATS
from .interface import check_model, input_type, output_name
from .metadata import add_metadata, check_labels
from .reference import Reference
from .tflite import convert
from .threshold import find_threshold
from .verify import verify


class AgreementError(RuntimeError):
    """A file names other classes than the Keras model on too many images.

    No argument is wrong: the model does not bear the format.

    Attributes:
        result: The `Result` of the file that was not handed over.
    """

    def __init__(self, result, min_agreement):
        super().__init__(
            f"{result.path.name} agrees with the Keras model on "
            f"{result.agreement:.4f} of the images, less than "
            f"min_agreement={min_agreement}: no file was written"
        )
        self.result = result


def export_tflite(
    model,
    path,
    format="int8",
    labels=None,
    representative_images=None,
    verification=None,
    min_agreement=0.98,
    io="uint8",
    precision=None,
    verbose=False,
):
    """Writes a trained model as a TFLite file that was run and compared.

    The file has the interface of `python -m export`: input `image`, uint8
    `[1, height, width, channels]`, pixels 0 to 255; output `probabilities`,
    float32 `[1, classes]`; the labels packed inside. A model without its own
    normalisation takes float32 instead, as does the file "gpu", and one that
    ends in logits or features gives those. LiteRT runs the file on every
    verification image before it is handed over; what was at `path` stays until
    then.

    Args:
        model: A `keras.Model` that `ConvMixer` built, of a fixed input size.
        path: Where to, `str` or `Path`, ending in ".tflite".
        format: "float32", "float16", "dynamic", "int8", "int8_fast" or "gpu",
            as for `export.tflite.convert`.
        labels: Names of the classes, one for each output; None for "0", "1",
            and so on.
        representative_images: For both of int8: some hundred training images
            `[N, height, width, channels]`, whose activations set the ranges.
        verification: `(images, labels)`: images `[N, height, width, channels]`
            that the model was not trained on, and their classes, int `[N]`
            or one-hot `[N, classes]`, or None where they are unknown. None
            for the representative images, without labels.
        min_agreement: Least share of the images for which file and model must
            name the same first class, 0 to 1. Not for features.
        io: "uint8", as above; "int8", for "int8" only: integers in and out.
        precision: Share of its answers that shall be right, more than 0 and
            at most 1: the file gets a threshold for it, chosen on the images
            of `verification`, below which MediaPipe Tasks names no class.
            None for no threshold.
        verbose: Whether to show progress and what the converter prints.

    Images may be uint8 or float; for a model that normalises pixels itself
    their values are 0 to 255, and are rounded.

    Returns:
        A `Result`: `path`, `bytes`, `top1`, `agreement`, `max_abs_diff`,
        `latency_ms`, `threshold` (its value, and which precision and coverage
        it has on images that did not choose it) and others.

    Raises:
        UserError: A `ValueError`, if an argument is not as above.
        AgreementError: If the file falls short; nothing is written.

    Example:
        result = export_tflite(
            model,
            "flowers.tflite",
            labels=names,
            representative_images=train_images[:200],
            verification=(test_images, test_labels),
        )
        print(f"{result.bytes} bytes, top-1 {result.top1:.2%}")
    """
    check_tensorflow("export_tflite")
    path = check_path(path)
    check_choice("format", format, TFLITE_FORMATS)
    check_choice("io", io, IO)
    if not 0 <= min_agreement <= 1:
        raise UserError(
            f"min_agreement must be from 0 to 1. Received: {min_agreement!r}"
        )
    check_model(model)
    labels = check_labels(labels, model.output_shape[-1], output_name(model))
    if representative_images is not None:
        representative_images = as_input(
            "representative_images", representative_images, model
        )
    images, classes = check_verification(
        verification, representative_images, model
    )
    if precision is not None:
        check_precision(precision, classes, output_name(model))
    describe = partial(
        add_metadata,
        name=path.stem,
        description=f"{model.name}, {format}",
        labels=labels,
        takes_pixels=input_type(model) == "uint8",
    )
    with contextlib.nullcontext() if verbose else quiet():
        contents = describe(convert(model, format, representative_images, io))
        reference = Reference.of_arrays(model, images, classes)
        with replacing(path) as temporary:
            temporary.write_bytes(contents)
            result = verify(temporary, format, reference)
            result.path, result.io = path, io
            falls_short = (
                result.agreement is not None
                and result.agreement < min_agreement
            )
            if falls_short:
                raise AgreementError(result, min_agreement)
            if precision is not None:
                result.threshold = find_threshold(precision, result.answers)
                value = result.threshold.value or None
                contents = describe(contents, threshold=value)
                temporary.write_bytes(contents)
                result.bytes = len(contents)
    return result


def check_precision(precision, classes, output):
    """That there is something to choose a threshold by."""
    if not 0 < precision <= 1:
        raise UserError(
            "precision must be more than 0 and at most 1. Received: "
            f"{precision!r}"
        )
    if classes is None:
        raise UserError("precision needs verification images with their labels")
    if output != "probabilities":
        raise UserError(
            f"precision needs a model that gives probabilities. This one gives "
            f"{output}"
        )


def check_path(path):
    """A `Path` that a file can be written to."""
    path = Path(path)
    if path.suffix != ".tflite" or path.is_dir():
        raise UserError(
            f"path must be a file that ends in .tflite. Received: {path}"
        )
    if not path.parent.is_dir():
        raise UserError(f"path must be in a folder. There is no {path.parent}")
    return path


def as_input(argument, images, model):
    """Images in the type that the model's files take.

    Raises:
        UserError: If their shape or their values are not those of the model.
    """
    images, shape = np.asarray(images), model.input_shape[1:]
    if len(images) == 0 or images.shape[1:] != tuple(shape):
        raise UserError(
            f"{argument} must be images of shape {('N', *shape)}. Received: "
            f"{images.shape}"
        )
    dtype = input_type(model)
    if dtype == "uint8" and images.dtype != np.uint8:
        least, largest = images.min(), images.max()
        # Pixels from 0 to 1, as other networks take them, would be black.
        if not (least >= 0 and 1 < largest <= 255):
            raise UserError(
                f"{argument} must be pixels from 0 to 255, since the model "
                f"normalises them itself. Received: {least} to {largest}"
            )
        images = np.rint(images)
    return images.astype(dtype)


def check_verification(verification, representative_images, model):
    """Images to compare on, and their classes, int `[N]` or None."""
    if verification is None:
        if representative_images is None:
            raise UserError(
                "verification must be (images, labels), or (images, None): "
                "no file is handed over that was not run. Received: None, and "
                "no representative_images either"
            )
        return representative_images, None
    if not isinstance(verification, (tuple, list)) or len(verification) != 2:
        raise UserError(
            "verification must be (images, labels), or (images, None). "
            f"Received: {type(verification).__name__}"
        )
    images, labels = verification
    images = as_input("the images of verification", images, model)
    if labels is None:
        return images, None
    labels = np.asarray(labels)
    if labels.shape == (len(images), 1):  # As Keras' own data sets have them.
        labels = labels[:, 0]
    elif labels.shape == (len(images), model.output_shape[-1]):
        labels = labels.argmax(-1)
    if labels.shape != (len(images),):
        raise UserError(
            "the labels of verification must be one class for each of the "
            f"{len(images)} images. Received: shape {labels.shape}"
        )
    return images, labels


@contextlib.contextmanager
def quiet():
    """Keeps what libraries print to themselves; warnings come at the end."""
    import tensorflow as tf

    logger = tf.get_logger()
    level = logger.level
    # In a notebook it writes where no redirection reaches.
    logger.setLevel("ERROR")
    try:
        with (
            warnings.catch_warnings(record=True) as caught,
            contextlib.redirect_stdout(streams.StringIO()),
            silent_libraries(),
        ):
            yield
    finally:
        logger.setLevel(level)
    for warning in caught:
        warnings.warn_explicit(
            warning.message,
            category=warning.category,
            filename=warning.filename,
            lineno=warning.lineno,
        )
