"""`export_tflite`: a trained model as one verified file, from Python."""

import contextlib
import io as streams
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from keras_convmixer.utils.backend import check_tensorflow
from keras_convmixer.utils.checks import UserError, check_choice
from keras_convmixer.utils.commands import silent_libraries
from keras_convmixer.utils.types import Labels, StrPath

from .arguments import Images, Verification
from .formats import IO, TFLITE_FORMATS
from .verified import write_files
from .verify import Result

if TYPE_CHECKING:
    import keras


def export_tflite(
    model: "keras.Model",
    path: StrPath,
    format: str = "int8",
    labels: Labels | None = None,
    representative_images: Images | None = None,
    verification: Verification | None = None,
    min_agreement: float = 0.98,
    io: str = "uint8",
    precision: float | None = None,
    input_range: tuple[float, float] | None = None,
    verbose: bool = False,
) -> Result:
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
        labels: Names of the classes in the order of the outputs, or
            `{name: index}`, as Keras' `class_indices`; None for "0", "1", and
            so on. Two classes may have the same name.
        representative_images: For both of int8: some hundred training images
            `[N, height, width, channels]`, whose activations set the ranges.
            Or a `tf.data.Dataset`, a `keras.utils.PyDataset`, an iterator or
            a generator function, as TensorFlow Lite's converter takes it, of
            images or batches with or without labels: the first 500 images
            are used.
        verification: `(images, labels)`: images `[N, height, width, channels]`
            that the model was not trained on, and their classes, integers
            `[N]` from 0 or one-hot `[N, classes]`; for a sigmoid 0 or 1,
            `[N, outputs]`; None where they are unknown. Or a data set, as
            above, of which the first 10,000 images are used. None for the
            representative images, without labels.
        min_agreement: The share of the images in which file and model must
            agree, 0 to 1: they name the same first class or, with a sigmoid,
            the same labels above 0.5. The images are a sample: the file is
            refused if even the upper end of the 95 % interval of its share is
            lower. Few images show little: of 20, 17 are refused for 0.98, and
            18 are not. Where nothing is named, as by features or a single
            output without activation, it is the least R² of the values; of
            several outputs without activation it is both, unless there are
            labels, since they may be logits or a regression.
        io: "uint8", as above; "int8", for "int8" only: integers in and out.
        precision: Share of its answers that shall be right, more than 0 and
            at most 1: the file gets a threshold for it, chosen on the images
            of `verification`, below which MediaPipe Tasks names no class.
            None for no threshold.
        input_range: For a model without its own normalisation: what pixels
            from 0 to 255 have been scaled to, as `(0, 1)`, for MediaPipe
            Tasks and `Classifier` to do the same. None to take it from the
            images, if it is (0, 1), (-1, 1) or (0, 255) beyond doubt; else
            there is a warning, and MediaPipe refuses the file.
        verbose: Whether to show progress and what the converter prints.

    Images may be uint8 or float; for a model that normalises pixels itself
    their values are 0 to 255, and are rounded.

    Returns:
        A `Result` of the file as it is on the disk: `path`, `bytes`, `images`
        (their number), `top1`, `agreement`, `agreement_interval`, `r_squared`,
        `max_abs_diff`, `latency_ms`, `threshold` (its value, and which
        precision and coverage it has on images that did not choose it) and
        others.

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
    with contextlib.nullcontext() if verbose else quiet():
        (result,) = write_files(
            model,
            {path.name: format},
            path.parent,
            labels=labels,
            representative_images=representative_images,
            verification=verification,
            min_agreement=min_agreement,
            io=io,
            precision=precision,
            input_range=input_range,
        )
    return result


def check_path(path: StrPath) -> Path:
    """A `Path` that a file can be written to."""
    path = Path(path)
    if path.suffix != ".tflite" or path.is_dir():
        raise UserError(
            f"path must be a file that ends in .tflite. Received: {path}"
        )
    if not path.parent.is_dir():
        raise UserError(f"path must be in a folder. There is no {path.parent}")
    return path


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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
        # Those of other categories are for the developers of libraries.
        if not issubclass(warning.category, UserWarning):
            continue
        warnings.warn_explicit(
            warning.message,
            category=warning.category,
            filename=warning.filename,
            lineno=warning.lineno,
        )
