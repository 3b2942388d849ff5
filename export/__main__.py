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

from . import QAT_EPOCHS, VERIFICATION_IMAGES
from .formats import DEFAULT_FORMATS, FORMATS, IO, TABLE

LEFT_OUT = ", ".join(
    f"{row.name} ({row.left_out})" for row in TABLE.values() if row.left_out
)


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m export",
        description="Exports a training to RUN/export/: a SavedModel and "
        "TFLite files, each verified against the Keras model on real images.",
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="run folder of a training")
    add(
        "--formats",
        nargs="+",
        default=DEFAULT_FORMATS,
        metavar="FORMAT",
        help=f"any of {', '.join(FORMATS)} (default: all except {LEFT_OUT})",
    )
    add(
        "--epochs",
        type=positive_int,
        metavar="N",
        help="epochs of quantisation-aware fine-tuning, for int8_qat (default: "
        f"{QAT_EPOCHS})",
    )
    add(
        "--io",
        choices=IO,
        default=IO[0],
        help="types of input and output. uint8: pixels to float32 "
        "probabilities; int8: integers in and out, for int8 and int8_qat "
        "(default: %(default)s)",
    )
    add(
        "--min-agreement",
        type=share,
        default=0.98,
        metavar="SHARE",
        help="min. top-1 agreement of a file with the Keras model, 0 to 1 "
        "(default: %(default)s)",
    )
    add(
        "--precision",
        type=share,
        metavar="SHARE",
        help="store a score threshold for this precision (e.g. 0.95) in each "
        ".tflite (default: no threshold)",
    )
    add(
        "--images",
        type=positive_int,
        default=VERIFICATION_IMAGES,
        metavar="N",
        help="max. number of verification images, class-balanced (default: "
        "%(default)s)",
    )
    for flag, what in (
        ("--image-folder", "training images"),
        ("--test-folder", "test images"),
        ("--data-dir", "files of tensorflow-datasets"),
    ):
        add(
            flag,
            metavar="FOLDER",
            help=f"new location of the {what} (default: as in the training)",
        )
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
