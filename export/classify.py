"""`python -m export.classify FILE IMAGE...`: what a file sees in pictures."""

import sys
import time
from pathlib import Path

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
    silent_libraries,
)

SUFFIXES = (".tflite", ".keras")
PICTURES = (".png", ".jpg", ".jpeg")


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m export.classify",
        description="Prints the most probable classes of photographs, resized "
        "and cropped as in evaluation.",
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="a .tflite or .keras file")
    add("images", nargs="+", metavar="IMAGE", help="a photograph")
    add("--top", type=positive_int, default=5, help="classes of each image")
    add(
        "--heatmap",
        type=Path,
        metavar="PATH",
        help="with a .keras file, draw which places speak for the likely "
        "classes: a .png or .jpg for one image, a folder for several",
    )
    add("--threads", type=positive_int, help="of a .tflite (default: all)")
    args = parser.parse_args(arguments)
    if args.heatmap and args.file.suffix != ".keras":
        parser.error(
            "--heatmap needs the .keras file of a run, which has the feature "
            f"maps. Received: {args.file}"
        )
    if is_picture(args.heatmap) and len(args.images) > 1:
        parser.error(
            "--heatmap must be a folder for several images. Received: "
            f"{args.heatmap}"
        )
    return args


def is_picture(path):
    return path is not None and path.suffix.lower() in PICTURES


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        if args.file.suffix not in SUFFIXES or not args.file.is_file():
            raise UserError(
                f"FILE must be a file that ends in {' or '.join(SUFFIXES)}. "
                f"Received: {args.file}"
            )
        quiet_tensorflow()
        size, run, labels = load(args.file, args.threads)
        threshold = None
        if args.file.suffix == ".tflite":
            from .metadata import read_threshold

            threshold = read_threshold(args.file)
        if args.heatmap:
            from .heatmap import HeatMaps

            heat_maps = HeatMaps(args.file)
            folder = args.heatmap
            (folder.parent if is_picture(folder) else folder).mkdir(
                parents=True, exist_ok=True
            )

    failed = False
    for path in args.images:
        try:
            lines = classify(
                path, size, run, labels, args.top, threshold=threshold
            )
            print(lines, flush=True)
            if args.heatmap:
                output = args.heatmap
                if not is_picture(output):
                    output = output / f"{Path(path).stem}.png"
                heat_maps.draw(path, output)
        except ValueError as error:
            failed = True
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(2 if failed else 0)


def load(path, threads=None):
    """A trained model, or an exported file, ready to run.

    Args:
        path: A `.tflite` that `export` wrote, or the `model.keras` of a run.
        threads: How many a TFLite file runs with; None for all cores.

    Returns:
        `(size, run, labels)`: the side of its images in pixels, a function
        from uint8 `[1, size, size, 3]` to probabilities `[1, classes]`, and
        the names of the classes.

    Raises:
        UserError: If it is something else, or its images are not square.

    Example:
        size, run, labels = load("digits_int8.tflite")
        print(classify("photo.jpg", size, run, labels, top=5))
    """
    path = Path(path)
    if path.suffix == ".keras":
        from keras_convmixer.training.run_folder import RunFolder

        run_folder = RunFolder(path.parent)
        model = run_folder.trained_model(path)
        labels = run_folder.read_config().classes
        sides = model.input_shape[1:3]

        def run(image):
            return model(image).numpy()
    else:
        from .metadata import read_labels
        from .runtime import TFLiteFile

        run = TFLiteFile(path, threads)
        if (run.image_type, run.output_name) != ("uint8", "probabilities"):
            raise UserError(
                f"{path} must take pixels and give probabilities. Found: "
                f"{run.image_type} and {run.output_name}"
            )
        labels = read_labels(path)
        if len(labels) != run.classes:
            raise UserError(
                f"{path} has {run.classes} classes and {len(labels)} labels"
            )
        sides = run.image_size
    if None in sides or sides[0] != sides[1]:
        raise UserError(f"{path} must take square images. Found: {sides}")
    return sides[0], run, labels


def classify(path, size, run, labels, top, threshold=None):
    """The most probable classes of an image, as lines of text.

    The first line says "not sure" if no class reaches the threshold.
    """
    from keras_convmixer.data.decode import read_image
    from keras_convmixer.data.preprocessing import center_crop

    with silent_libraries():
        image = read_image(path)
    image = center_crop(image, size).numpy()[None]
    run(image)  # The first call allocates.
    start = time.perf_counter()
    (probabilities,) = run(image)
    milliseconds = 1000 * (time.perf_counter() - start)
    lines = [f"{path}  {milliseconds:.2f} ms"]
    if threshold is not None and probabilities.max() < threshold:
        lines[0] += f"  not sure: no class reaches {threshold:.2%}"
    for index in probabilities.argsort()[::-1][:top]:
        lines.append(f"{probabilities[index]:8.2%}  {labels[index]}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
