"""`python -m export RUN`: a trained model as verified files for devices."""

import shutil
import sys
from pathlib import Path

from export import FORMATS
from keras_convmixer.checks import one_of
from keras_convmixer.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
    share,
)
from keras_convmixer.files import move_into, temporary_folder

REPRESENTATIVE_IMAGES = 200


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
        default=FORMATS,
        metavar="FORMAT",
        help=f"any of {', '.join(FORMATS)} (default: all)",
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
            one_of("--formats", format, FORMATS)
        except ValueError as error:
            parser.error(error)
    return args


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        quiet_tensorflow()
        from keras_convmixer.run_folder import RunFolder

        failed = export(
            RunFolder(args.run), args.formats, args.min_agreement, args.images
        )
    for result in failed:
        print(
            f"error: {result.file} agrees with Keras on "
            f"{result.agreement:.4f} of the images, less than "
            f"--min-agreement {args.min_agreement}: nothing was handed over",
            file=sys.stderr,
        )
    sys.exit(1 if failed else 0)


def export(run, formats, min_agreement=0.98, max_images=None):
    """Writes `run.export` if all files agree with the Keras model.

    Args:
        run: The `RunFolder` of a training.
        formats: Some of `export.FORMATS`.
        min_agreement: Least agreement that a file may have.
        max_images: Held-out images to use at most; None for all.

    Returns:
        The results of the files that fell short; then nothing was written.
    """
    from export.report import table, write_model_card, write_report
    from export.verify import verify
    from keras_convmixer.data import as_arrays

    model, recipe, data = run.read()
    images, labels = as_arrays(data.held_out, max_images or -1)
    expected = model.predict(images, recipe.batch_size, verbose=0)
    keras_top1 = float((expected.argmax(-1) == labels).mean())

    with temporary_folder(run.export) as folder:
        results = []
        for format in formats:
            print(format, flush=True)
            path = write(folder, run.name, format, model, data)
            results.append(verify(path, format, images, labels, expected))
        proof = table(keras_top1, results)
        print(f"{len(labels):,} held-out images\n{proof}")

        failed = [r for r in results if r.agreement < min_agreement]
        if not failed:
            write_report(folder, keras_top1, results, len(labels))
            write_model_card(folder, run.name, recipe, data, proof, len(labels))
            shutil.copy(run.labels, folder)
            move_into(run.export, folder)
    return failed


def write(folder, name, format, model, data):
    """Writes one file and returns its path."""
    from export.saved_model import write_saved_model
    from export.tflite import convert
    from keras_convmixer.data import sample

    if format == "saved_model":
        path = folder / format
        write_saved_model(model, path)
        return path
    representative_images = None
    if format == "int8":
        representative_images = sample(data.train, REPRESENTATIVE_IMAGES)
    path = folder / f"{name}_{format}.tflite"
    path.write_bytes(convert(model, format, representative_images))
    return path


if __name__ == "__main__":
    main()
