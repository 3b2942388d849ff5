"""`export_model`: any model as verified files in any format, from Python."""

import os
from pathlib import Path

import keras

from keras_convmixer.evaluation.classifier import read_keras
from keras_convmixer.utils.backend import check_tensorflow
from keras_convmixer.utils.checks import UserError, check_choice
from keras_convmixer.utils.labels import label_names
from keras_convmixer.utils.types import Labels, StrPath

from . import QAT_EPOCHS
from .arguments import Images, Verification
from .formats import DEFAULT_FORMATS, FORMATS, IO, TABLE
from .run_export import export_run
from .verified import write_files
from .verify import Result


def export_model(
    model: keras.Model | StrPath,
    formats: list[str] | tuple[str, ...] = DEFAULT_FORMATS,
    folder: StrPath | None = None,
    *,
    labels: Labels | None = None,
    representative_images: Images | None = None,
    verification: Verification | None = None,
    min_agreement: float = 0.98,
    io: str = "uint8",
    qat_epochs: int = QAT_EPOCHS,
) -> list[Result]:
    """Writes a model as files that were run and compared with it.

    Args:
        model: The folder of a training, which has all that is needed, and
            gets `export/`, as by `python -m export`. Or a `keras.Model` that
            `ConvMixer` built, or a `.keras` file.
        formats: Some of `export.FORMATS`; "int8_qat" of a training only.
        folder: Where the files of a `keras.Model` or a `.keras` file go: they
            are called after the model. Others that are there stay.
        labels, representative_images, verification: Of a `keras.Model` or a
            `.keras` file, as for `export_tflite`.
        min_agreement, io: As for `export_tflite`.
        qat_epochs: How long "int8_qat" is fine-tuned.

    Returns:
        A `Result` of each file, in the order of `formats`.

    Raises:
        UserError: A `ValueError`, if an argument is not as above.
        AgreementError: If a file falls short; none is written.

    Example:
        for result in export_model("runs/digits", ["float32", "int8"]):
            print(f"{result.path}: {result.bytes:,} bytes")
    """
    check_tensorflow("export_model")
    check_choice("io", io, IO)
    if isinstance(formats, str) or not formats:
        raise UserError(
            f"formats must be a list of names. Received: {formats!r}"
        )
    for format in formats:
        check_choice("formats", format, FORMATS)
    of_images = {
        "folder": folder,
        "labels": labels,
        "representative_images": representative_images,
        "verification": verification,
    }
    if not isinstance(model, keras.Model) and Path(model).is_dir():
        given = [name for name, value in of_images.items() if value is not None]
        if given:
            raise UserError(
                f"{' and '.join(given)} can't be given for the folder of a "
                "training, which has its own"
            )
        return export_run(
            model,
            formats,
            min_agreement=min_agreement,
            io=io,
            epochs=qat_epochs,
        )
    if isinstance(model, str | os.PathLike):
        if not Path(model).is_file():
            raise UserError(
                "model must be a Keras model, a .keras file or the folder of a "
                f"training. Received: {model}"
            )
        model, found = read_keras(Path(model), label_names(labels))
        labels = found if labels is None else labels
    if folder is None:
        raise UserError("a model that is no run folder needs a folder to write")
    fine_tuned = [name for name in formats if TABLE[name].is_fine_tuned]
    if fine_tuned:
        raise UserError(
            f"{fine_tuned[0]} needs the folder of a training, whose images it "
            "is fine-tuned on"
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return write_files(
        model,
        {TABLE[name].file_name(model.name, io): name for name in formats},
        folder,
        labels=labels,
        representative_images=representative_images,
        verification=verification,
        min_agreement=min_agreement,
        io=io,
    )
