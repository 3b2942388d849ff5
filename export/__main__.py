"""`python -m export RUN`: a trained model as verified files for devices."""

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
from keras_convmixer.utils.extras import check_onnx

from . import PROOF_IMAGES, QAT_EPOCHS
from .formats import DEFAULT_FORMATS, FORMATS, IO, TABLE

LEFT_OUT = " and ".join(
    f"{row.name}, {row.left_out}," for row in TABLE.values() if row.left_out
).rstrip(",")


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
        help=f"any of {', '.join(FORMATS)} (default: all but {LEFT_OUT})",
    )
    add(
        "--epochs",
        type=positive_int,
        help="of int8_qat's fine-tuning, over the training images (default: "
        f"{QAT_EPOCHS})",
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
    add(
        "--precision",
        type=share,
        help="write a threshold into each .tflite below which it is not sure, "
        "so that this share of its answers is right (default: none)",
    )
    add(
        "--images",
        type=positive_int,
        default=PROOF_IMAGES,
        help="to compare on, at most, of each class as many as of another "
        "(default: %(default)s)",
    )
    add("--image-folder", help="where the images of the run are now")
    add("--test-folder", help="where the images of its test part are now")
    add("--data-dir", help="where tensorflow-datasets keeps its files now")
    args = parser.parse_args(arguments)
    for format in args.formats:
        try:
            check_choice("--formats", format, FORMATS)
            if TABLE[format].extra == "onnx":
                check_onnx(f"--formats {format}")
        except ValueError as error:
            parser.error(error)
    rows = [TABLE[format] for format in args.formats]
    if args.epochs and not any(row.is_fine_tuned for row in rows):
        parser.error("--epochs needs --formats int8_qat")
    if args.io == "int8" and not all(row.takes_int8 for row in rows):
        parser.error("--io int8 needs --formats int8, int8_qat or both")
    return args


@one_line_errors()
def main(arguments=None):
    args = parse_arguments(arguments)
    from keras_convmixer.runs.run_folder import RunFolder

    run = RunFolder(args.run)
    run.read_config()  # A mistake is answered before TensorFlow's seconds.
    quiet_tensorflow("tensorflow")
    from .run_export import export_run
    from .verify import AgreementError

    try:
        export_run(
            run,
            formats=args.formats,
            min_agreement=args.min_agreement,
            max_images=args.images,
            epochs=args.epochs or QAT_EPOCHS,
            io=args.io,
            precision=args.precision,
            image_folder=args.image_folder,
            test_folder=args.test_folder,
            data_dir=args.data_dir,
        )
    except AgreementError as error:
        for result in error.results:
            print(
                f"error: {result.path.name} {result.describe_agreement()}, "
                f"less than --min-agreement {args.min_agreement}: "
                "nothing was handed over",
                file=sys.stderr,
            )
        sys.exit(1)


if __name__ == "__main__":
    main()
