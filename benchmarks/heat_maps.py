"""Where a trained network looks, when it is right and when it is wrong.

python -m benchmarks.heat_maps RUN

draws eight held-out images of a run: the first four that it names rightly, each
of another class, and the four mistakes of most confidence.
"""

from pathlib import Path

from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    quiet_tensorflow,
)

PLOT = Path("docs", "images", "heat_maps_right_and_wrong.png")
EACH = 4  # Right answers, and wrong ones.


def main(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.heat_maps",
        description="Draws heat maps of right and wrong answers.",
    )
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--output", type=Path, default=PLOT)
    args = parser.parse_args(arguments)
    with one_line_errors():
        from keras_convmixer.runs.run_folder import RunFolder

        run = RunFolder(args.run)
        run.read_config()
        quiet_tensorflow()
        draw(run, args.output)
        print(f"Written to {args.output}.")


def draw(run, output):
    """Writes the picture of a run."""
    import matplotlib.figure

    from keras_convmixer.evaluation.heatmap import CLASSES, HeatMaps
    from keras_convmixer.evaluation.predictions import predict
    from keras_convmixer.utils.files import replacing

    model, _, data = run.read()
    maps = HeatMaps(model, data.classes)
    found = predict(model, data.held_out, shown_mistakes=EACH)
    answers = {
        "right answers": right_answers(found, data.held_out),
        "wrong answers": [(m.image, m.label) for m in found.mistakes],
    }
    figure = matplotlib.figure.Figure(figsize=(11, 6), layout="constrained")
    halves = figure.subfigures(1, len(answers))
    for half, (title, shown) in zip(halves, answers.items(), strict=True):
        half.suptitle(title, fontsize=11)
        rows = half.subplots(EACH, 1 + CLASSES)
        for axis in rows.flat:  # There may be fewer mistakes.
            axis.axis("off")
        for axes, (image, label) in zip(rows, shown, strict=False):
            title = f"a {data.classes[label]}"
            maps.draw_on(axes, image, title, maps.labels)
    with replacing(output) as temporary:
        figure.savefig(temporary, dpi=100)


def right_answers(found, images):
    """The first images that are named rightly, of different classes."""
    chosen = {}
    for (image, label), given in zip(
        images.as_numpy_iterator(), found.classes, strict=True
    ):
        if given == label:
            chosen.setdefault(int(label), image)
        if len(chosen) == EACH:
            break
    return [(image, label) for label, image in chosen.items()]


if __name__ == "__main__":
    main()
