"""`python -m export.evaluate FILE`: how good a model is on pictures."""

import contextlib
import sys
from functools import partial
from pathlib import Path

import numpy as np

from keras_convmixer.data.source import Source
from keras_convmixer.evaluation.classifier import (
    Classifier,
    check_path,
    has_class_maps,
)
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)
from keras_convmixer.utils.files import csv_writer, write_json
from keras_convmixer.utils.labels import read_label_file


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m export.evaluate",
        description="Evaluates a trained model or an exported file on labelled "
        "images: accuracy, calibration and confusions.",
    )
    add = parser.add_argument
    add(
        "file",
        type=Path,
        metavar="FILE",
        help="a .tflite, .onnx or .keras file, a SavedModel or a run folder",
    )
    add(
        "--image-folder",
        metavar="FOLDER",
        help="one subfolder of images per class; a flat folder of images is "
        "classified but not scored",
    )
    add(
        "--dataset",
        metavar="NAME",
        help="digits, or a name of tensorflow-datasets",
    )
    add("--split", help="split of the dataset (default: test)")
    add(
        "--data-dir",
        metavar="FOLDER",
        help="where tensorflow-datasets keeps its files",
    )
    add(
        "--labels",
        type=Path,
        metavar="TEXT",
        help="class names, one per line (default: those stored with the model)",
    )
    add(
        "--threads",
        type=positive_int,
        metavar="N",
        help="CPU threads for TFLite and ONNX files (default: all cores)",
    )
    add(
        "--predictions",
        type=Path,
        metavar="CSV",
        help="write the top-5 classes of each image",
    )
    add(
        "--json",
        type=Path,
        metavar="FILE",
        help="write all scores, also per class",
    )
    add(
        "--plots",
        type=Path,
        metavar="FOLDER",
        help="plot confusions, reliability, coverage and the worst mistakes",
    )
    add(
        "--heatmaps",
        type=positive_int,
        metavar="N",
        help="for a run or a .keras file: draw class activation maps of the N "
        "worst mistakes in --plots",
    )
    args = parser.parse_args(arguments)
    if bool(args.dataset) == bool(args.image_folder):
        parser.error("give --image-folder or --dataset, one of them")
    if args.split and not args.dataset:
        parser.error("--split needs --dataset")
    if args.heatmaps and not args.plots:
        parser.error("--heatmaps needs --plots, where they are written")
    if args.heatmaps and not has_class_maps(args.file):
        parser.error(
            "--heatmaps needs a run or a .keras file, which have the feature "
            f"maps. Received: {args.file}"
        )
    return args


@one_line_errors()
def main(arguments=None):
    args = parse_arguments(arguments)
    check_path(args.file)
    for path in filter(None, (args.predictions, args.json)):
        if not path.parent.is_dir():
            raise UserError(f"there is no folder {path.parent}")
    source = None
    if args.dataset:
        source = Source(args.dataset, args.data_dir)
    labels = args.labels and read_label_file(args.labels)
    quiet_tensorflow("tensorflow")
    evaluate(args, source, labels)


def evaluate(args, source, labels):
    """Runs the file on the pictures, prints the scores, writes the rest."""
    from keras_convmixer.evaluation.predictions import SHOWN_MISTAKES
    from keras_convmixer.evaluation.runtime import latency
    from keras_convmixer.evaluation.scores_report import (
        format_report,
        scores_report,
    )
    from keras_convmixer.evaluation.scoring import match_classes, score
    from keras_convmixer.evaluation.stored_images import (
        dataset_images,
        folder_images,
    )

    if source:
        pictures = dataset_images(source, args.split)
    else:
        pictures = folder_images(args.image_folder)
    if args.plots and not pictures.classes:
        raise UserError(
            f"--plots needs a folder of images for each class: "
            f"{pictures.name} has none"
        )
    classifier = Classifier(args.file, labels, args.threads)
    labels, indices = match_classes(classifier, pictures)
    if not pictures.classes:
        print(f"{pictures.name} has no folders of classes: nothing is scored")
    table = contextlib.nullcontext()
    if args.predictions:
        table = csv_writer(args.predictions)
    with table as writer:
        result = score(
            classifier,
            pictures,
            labels,
            indices,
            writer,
            shown=max(SHOWN_MISTAKES, args.heatmaps or 0),
        )
    for problem in result.problems:
        print(f"  {problem}", file=sys.stderr)
    side = classifier.size
    black = np.zeros((1, side, side, 3), "uint8")
    report = scores_report(
        classifier,
        pictures,
        labels,
        indices,
        result,
        milliseconds=latency(classifier, black),
    )
    print(format_report(report))
    if args.json:
        write_json(args.json, report)
    if args.plots and not draw(args, classifier, labels, result):
        sys.exit(1)


def draw(args, classifier, labels, result):
    """Writes the plots of `--plots` and `--heatmaps`.

    Returns:
        Whether all of them were written.
    """
    from keras_convmixer.evaluation.plots import (
        draw_all,
        plot_confusion,
        plot_coverage,
        plot_mistakes,
        plot_reliability,
    )
    from keras_convmixer.evaluation.predictions import SHOWN_MISTAKES

    folder, scores = args.plots, result.scores
    shown = result.mistakes[:SHOWN_MISTAKES]
    plots = {
        folder / "confusion.png": partial(
            plot_confusion, scores.confusions, labels
        ),
        folder / "reliability.png": partial(
            plot_reliability, scores.reliability
        ),
        folder / "coverage.png": partial(plot_coverage, *scores.coverage),
        folder / "mistakes.png": partial(plot_mistakes, shown, labels),
    }
    if args.heatmaps:
        from keras_convmixer.evaluation.heatmap import HeatMaps

        maps = HeatMaps(classifier.model, labels)
        for number, mistake in enumerate(result.mistakes[: args.heatmaps], 1):
            plots[folder / "heatmaps" / f"{number:03}.png"] = partial(
                draw_heatmap, maps, labels, mistake
            )
    return draw_all(plots)


def draw_heatmap(maps, labels, mistake, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = mistake.stored
    title = f"{labels[mistake.label]}, {Path(stored.name).name}"
    maps.draw(stored.read(), title, path)


if __name__ == "__main__":
    main()
