"""`python -m export RUN`: a trained model as verified files for devices."""

import shutil
import sys
from pathlib import Path

from keras_convmixer.utils.checks import check_choice
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
    share,
)
from keras_convmixer.utils.files import move_into, sole_use, temporary_folder

from . import DEFAULT_FORMATS, FORMATS, IO

REPRESENTATIVE_IMAGES = 200
QAT_EPOCHS = 5


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m export",
        description="Writes RUN/export/: a SavedModel and TFLite files, each "
        "run on the held-out images and compared with the Keras model.",
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="folder of a training")
    add(
        "--formats",
        nargs="+",
        default=DEFAULT_FORMATS,
        metavar="FORMAT",
        help=f"any of {', '.join(FORMATS)} (default: all but int8_qat, which "
        "trains on)",
    )
    add(
        "--epochs",
        type=positive_int,
        help=f"of int8_qat, over the training images (default: {QAT_EPOCHS})",
    )
    add(
        "--io",
        choices=IO,
        default=IO[0],
        help="uint8: pixels in, float32 probabilities out; int8: integers in "
        "and out, for int8 and int8_qat",
    )
    add(
        "--min-agreement",
        type=share,
        default=0.98,
        help="least share of images on which a file and Keras must name the "
        "same first class (default: %(default)s)",
    )
    add("--images", type=positive_int, help="held-out images at most")
    args = parser.parse_args(arguments)
    for format in args.formats:
        try:
            check_choice("--formats", format, FORMATS)
        except ValueError as error:
            parser.error(error)
    if args.epochs and "int8_qat" not in args.formats:
        parser.error("--epochs needs --formats int8_qat")
    if args.io == "int8" and not set(args.formats) <= {"int8", "int8_qat"}:
        parser.error("--io int8 needs --formats int8, int8_qat or both")
    return args


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        from keras_convmixer.training.run_folder import RunFolder

        run = RunFolder(args.run)
        run.read_config()  # A mistake is answered before TensorFlow's seconds.
        quiet_tensorflow()
        with sole_use(run.path):
            failed = export(
                *(run, args.formats, args.min_agreement, args.images),
                *(args.epochs or QAT_EPOCHS, args.io),
            )
    for result in failed:
        print(
            f"error: {result.path.name} agrees with Keras on "
            f"{result.agreement:.4f} of the images, less than "
            f"--min-agreement {args.min_agreement}: nothing was handed over",
            file=sys.stderr,
        )
    sys.exit(1 if failed else 0)


def export(
    run,
    formats,
    min_agreement=0.98,
    max_images=None,
    epochs=QAT_EPOCHS,
    io="uint8",
):
    """Writes `run.export_folder` if all files agree with the Keras model.

    Args:
        run: The `RunFolder` of a training.
        formats: Some of `export.FORMATS`.
        min_agreement: Least agreement that a file may have.
        max_images: Held-out images to use at most; None for all.
        epochs: How long to train for "int8_qat".
        io: As for `export.tflite.convert`.

    Returns:
        The results of the files that fell short; then nothing was written.
    """
    from .reference import Reference
    from .report import (
        REPORT,
        table,
        with_earlier,
        write_model_card,
        write_report,
    )
    from .verify import verify

    model, recipe, data = run.read()
    held_out = data.held_out.take(max_images or -1).batch(recipe.batch_size)
    reference = Reference.of_dataset(model, held_out)
    keras_top1 = reference.top1(reference.outputs)

    with temporary_folder(run.export_folder) as folder:
        results = []
        for format in formats:
            print(format, flush=True)
            path = folder / file_name(run.name, format, io)
            aware = write(path, format, model, recipe, data, epochs, io)
            result = verify(path, format, reference, aware)
            result.io = io
            result.qat_epochs = epochs if format == "int8_qat" else None
            results.append(result)
        failed = [r for r in results if r.agreement < min_agreement]
        if not failed:
            results = with_earlier(results, run.export_folder, len(reference))
        proof = table(keras_top1, results)
        print(f"{len(reference):,} held-out images\n{proof}")

        if not failed:
            write_report(folder, keras_top1, results, len(reference))
            write_model_card(
                folder, run.name, recipe, data, results, proof, len(reference)
            )
            shutil.copy(run.labels_path, folder)
            # First and last, so that no report is there beside other files.
            (run.export_folder / REPORT).unlink(missing_ok=True)
            move_into(run.export_folder, folder, last=REPORT)
    return failed


def file_name(name, format, io):
    if format == "saved_model":
        return format
    return f"{name}_{format}{'_io_int8' * (io == 'int8')}.tflite"


def write(path, format, model, recipe, data, epochs, io):
    """Writes one file, or the folder of the SavedModel.

    Returns:
        The quantisation-aware model that "int8_qat" was made of, else None.
    """
    from keras_convmixer.data.batches import (
        held_out_batches,
        steps_in_epoch,
        training_batches,
    )
    from keras_convmixer.data.image_data import sample

    from .int8.qat import convert_qat
    from .metadata import add_metadata
    from .saved_model import write_saved_model
    from .tflite import convert

    if format == "saved_model":
        write_saved_model(model, path)
        return None
    images = aware = None
    if format in ("int8", "int8_qat"):
        images = sample(data.train, REPRESENTATIVE_IMAGES)
    if format == "int8_qat":
        size = recipe.batch_size
        steps = steps_in_epoch(data, size)
        # Not augmented: the ranges are those of images as they are.
        batches = training_batches(data, size, steps, seed=0)
        held_out = held_out_batches(data, size)
        contents, aware = convert_qat(
            model, images, batches, steps, held_out, epochs, io
        )
    else:
        contents = convert(model, format, images, io)
    path.write_bytes(
        add_metadata(
            contents,
            name=path.stem,
            description=f"ConvMixer-{recipe.dim}/{recipe.depth}, trained on "
            f"{data.name}, {format}",
            labels=data.classes,
        )
    )
    return aware


if __name__ == "__main__":
    main()
