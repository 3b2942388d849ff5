"""Files are written, get their thresholds, and are run and compared."""

from keras_convmixer.evaluation.keras_model import output_kind, output_name
from keras_convmixer.evaluation.output_kind import has_one_answer
from keras_convmixer.evaluation.threshold import answers_on, find_threshold
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.files import move, temporary_folder
from keras_convmixer.utils.labels import label_names

from . import writers
from .arguments import read_representative_images, read_verification
from .converter import check_model, full_float32
from .formats import TABLE, TFLITE
from .input_range import find_normalization
from .metadata import check_labels
from .reference import Reference
from .verify import check_agreement, check_min_agreement, verify


def write_verified(path, format, trained, reference, precision=None, parts=()):
    """Writes a `TrainedModel` in a format, and runs what it wrote.

    Args:
        path, format, trained: As for the functions of `writers`.
        reference: The `Reference` to compare with.
        precision: Of the answers of a TFLite file, whose metadata gets the
            threshold that this needs; None for no threshold.
        parts: Pairs of images and labels, once or twice: the first choose the
            threshold, the second measure it.

    Returns:
        A `Result`.
    """
    row = TABLE[format]
    aware = getattr(writers, row.writer)(path, format, trained)
    threshold = None
    if precision is not None and row.suffix == TFLITE:
        answers = [answers_on(path, pairs) for pairs in parts]
        threshold = find_threshold(precision, *answers)
        writers.write_described(
            path,
            path.read_bytes(),
            format,
            trained,
            threshold=threshold.value or None,
        )
    # After the last change of the file.
    result = verify(path, format, reference, aware)
    result.io, result.threshold = trained.io, threshold
    if row.is_fine_tuned:
        result.qat_epochs = trained.epochs
    return result


@full_float32()
def write_files(
    model,
    formats,
    folder,
    *,
    labels,
    representative_images,
    verification,
    min_agreement,
    io,
    precision=None,
    input_range=None,
):
    """Writes all files of a model, or none; returns a `Result` of each.

    Args:
        model: A `keras.Model`.
        formats: The format of each file, by its name.
        folder: Where to, a `Path`.
        labels, representative_images, verification, min_agreement, io,
            precision, input_range: As for `export_tflite`.
    """
    check_min_agreement(min_agreement)
    check_model(model)
    output_kind(model)  # Or it can't be compared.
    labels = check_labels(
        label_names(labels), model.output_shape[-1], output_name(model)
    )
    if representative_images is not None:
        representative_images = read_representative_images(
            representative_images, model
        )
    images, classes = read_verification(
        verification, representative_images, model
    )
    parts = []
    if precision is not None:
        check_precision(precision, classes, model)
        parts = [list(zip(images, classes.ravel(), strict=True))]
    trained = writers.TrainedModel(
        model,
        labels,
        model.name,
        lambda: representative_images,
        find_normalization(model, input_range, images),
        io,
    )
    reference = Reference.of_arrays(model, images, classes)
    with temporary_folder(folder) as temporary:
        results = [
            write_verified(
                temporary / name, format, trained, reference, precision, parts
            )
            for name, format in formats.items()
        ]
        check_agreement(results, min_agreement)
        for result in results:
            path = folder / result.path.name
            move(result.path, path)
            result.path = path
    return results


def check_precision(precision, classes, model):
    """That there is something to choose a threshold by."""
    if not 0 < precision <= 1:
        raise UserError(
            "precision must be more than 0 and at most 1. Received: "
            f"{precision!r}"
        )
    if classes is None:
        raise UserError("precision needs verification images with their labels")
    kind, output = output_kind(model), output_name(model)
    outputs = model.output_shape[-1]
    if not has_one_answer(kind, output, outputs):
        raise UserError(
            "precision needs a model that gives probabilities of which one is "
            f"the answer. This one gives {outputs} {output}, {kind.value}"
        )
