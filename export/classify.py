"""`python -m export.classify FILE IMAGE...`: what a file sees in pictures."""

import sys
import time
from pathlib import Path

from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
    silent_libraries,
)

from .classifier import Classifier, check_path, has_class_maps

PICTURES = (".png", ".jpg", ".jpeg")


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m export.classify",
        description="Prints the most probable classes of photographs, resized "
        "and cropped as in evaluation.",
    )
    add = parser.add_argument
    add(
        "file",
        type=Path,
        metavar="FILE",
        help="a .tflite, .onnx or .keras file, a SavedModel or a run folder",
    )
    add("images", nargs="+", metavar="IMAGE", help="a photograph")
    add("--top", type=positive_int, default=5, help="classes of each image")
    add(
        "--heatmap",
        type=Path,
        metavar="PATH",
        help="with a run or a .keras file, draw which places speak for the "
        "likely classes: a .png or .jpg for one image, a folder for several",
    )
    add("--threads", type=positive_int, help="of a file (default: all)")
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
    check_path(args.file)
    quiet_tensorflow("tensorflow")
    classifier = Classifier(args.file, threads=args.threads)
    if args.heatmap:
        from keras_convmixer.data.decode import read_image

        from .heatmap import HeatMaps

        heat_maps = HeatMaps(classifier.model, classifier.labels)
        folder = args.heatmap
        (folder.parent if is_picture(folder) else folder).mkdir(
            parents=True, exist_ok=True
        )

    failed = False
    for path in args.images:
        try:
            print(classify(path, classifier, args.top), flush=True)
            if args.heatmap:
                output = args.heatmap
                if not is_picture(output):
                    output = output / f"{Path(path).stem}.png"
                heat_maps.draw(read_image(path), Path(path).name, output)
        except ValueError as error:
            failed = True
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(2 if failed else 0)


def classify(path, classifier, top):
    """The most probable classes of an image, as lines of text.

    The first line says "not sure" if no class reaches the file's threshold.

    Args:
        path: The image's file.
        classifier: A `Classifier`.
        top: How many classes.

    Raises:
        UserError: If it is no image.

    Example:
        print(classify("photo.jpg", Classifier("digits_int8.tflite"), top=5))
    """
    from keras_convmixer.data.decode import read_image
    from keras_convmixer.data.preprocessing import center_crop

    with silent_libraries():
        image = read_image(path)
    image = center_crop(image, classifier.size).numpy()[None]
    classifier(image)  # The first call allocates.
    start = time.perf_counter()
    (probabilities,) = classifier(image)
    milliseconds = 1000 * (time.perf_counter() - start)
    lines = [f"{path}  {milliseconds:.2f} ms"]
    threshold = classifier.threshold
    if threshold is not None and probabilities.max() < threshold:
        lines[0] += f"  not sure: no class reaches {threshold:.2%}"
    for index in probabilities.argsort()[::-1][:top]:
        lines.append(f"{probabilities[index]:8.2%}  {classifier.labels[index]}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
