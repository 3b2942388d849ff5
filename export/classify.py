"""`python -m export.classify FILE IMAGE...`: what a file sees in pictures."""

import sys
import time
import unicodedata
import warnings
from pathlib import Path

from keras_convmixer.data.decode import read_image
from keras_convmixer.evaluation.classifier import (
    Classifier,
    check_path,
    has_class_maps,
    needs_tensorflow,
)
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
    silent_libraries,
)
from keras_convmixer.utils.text import printable

PICTURES = (".png", ".jpg", ".jpeg")


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m export.classify",
        description="Classifies photos, resized and cropped as in evaluation, "
        "and prints the most probable classes.",
    )
    add = parser.add_argument
    add(
        "file",
        type=Path,
        metavar="FILE",
        help="a .tflite, .onnx or .keras file, a SavedModel or a run folder",
    )
    add("images", nargs="+", metavar="IMAGE", help="a photo")
    add(
        "--top",
        type=positive_int,
        default=5,
        metavar="N",
        help="classes to print per image (default: %(default)s)",
    )
    add(
        "--heatmap",
        type=Path,
        metavar="PATH",
        help="for a run or a .keras file: draw class activation maps to a .png "
        "or .jpg (one image) or to a folder (several)",
    )
    add(
        "--threads",
        type=positive_int,
        metavar="N",
        help="CPU threads for TFLite and ONNX files (default: all cores)",
    )
    args = parser.parse_args(arguments)
    if args.heatmap and not has_class_maps(args.file):
        parser.error(
            "--heatmap needs a run or a .keras file, which have the feature "
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


@one_line_errors()
def main(arguments=None):
    args = parse_arguments(arguments)
    failed = False
    # A photo can be odd in many ways that Pillow warns of.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if needs_tensorflow(check_path(args.file)):
            quiet_tensorflow("tensorflow")
        classifier = Classifier(args.file, threads=args.threads)
        if args.heatmap:
            from keras_convmixer.evaluation.heatmap import HeatMaps

            heat_maps = HeatMaps(classifier.model, classifier.labels)
            outputs = heatmap_paths(args.heatmap, args.images)
        for number, path in enumerate(args.images):
            try:
                print(classify(path, classifier, args.top), flush=True)
                if args.heatmap:
                    output = outputs[number]
                    heat_maps.draw(read_image(path), Path(path).name, output)
                    print(f"heat map: {printable(output)}", flush=True)
            except UserError as error:
                failed = True
                print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    if failed:
        sys.exit(2)


def heatmap_paths(output, images):
    """A file for the heat map of each image; makes its folder.

    In a folder it has the name of the image, with a number where that is taken
    by another one.

    Raises:
        UserError: If the file is the image itself.
    """
    if is_picture(output):
        if output.exists() and output.samefile(images[0]):
            raise UserError(
                f"--heatmap must not be the image itself. Received: {output}"
            )
        output.parent.mkdir(parents=True, exist_ok=True)
        return [output]
    output.mkdir(parents=True, exist_ok=True)
    here = output.resolve()
    taken = {
        unified(path.name)
        for path in map(Path, images)
        if path.resolve().parent == here
    }
    paths = []
    for image in images:
        stem, number = Path(image).stem, 2
        name = f"{stem}.png"
        while unified(name) in taken:
            name, number = f"{stem}_{number}.png", number + 1
        taken.add(unified(name))
        paths.append(output / name)
    return paths


def unified(name):
    """The same for all names that a file system may take for one."""
    return unicodedata.normalize("NFC", name).casefold()


def classify(path, classifier, top):
    """The `top` most probable classes of an image, as lines of text.

    The first line says "not sure" if no class reaches the file's threshold.

    Raises:
        UserError: If it is no image.

    Example:
        print(classify("photo.jpg", Classifier("digits_int8.tflite"), top=5))
    """
    with silent_libraries():
        image = classifier.square(path)[None]
    classifier(image)  # The first call allocates.
    start = time.perf_counter()
    (probabilities,) = classifier(image)
    milliseconds = 1000 * (time.perf_counter() - start)
    lines = [f"{printable(path)}  {milliseconds:.2f} ms"]
    threshold = classifier.threshold
    if threshold is not None and probabilities.max() < threshold:
        lines[0] += f"  not sure: no class reaches {threshold:.2%}"
    for index in probabilities.argsort()[::-1][:top]:
        lines.append(f"{probabilities[index]:8.2%}  {classifier.labels[index]}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
