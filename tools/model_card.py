"""Puts a trained network into the package, with its model card and its log.

python -m tools.model_card runs/cifar10_cpu \\
    --command "convmixer train --dataset cifar10 --recipe cifar10_cpu" \\
    --made-on "Two cores of an AMD EPYC, 70 minutes"
python -m benchmarks.leaderboard --data-dir tfds/
python -m tools.model_card runs/cifar10_cpu ...

The second time the card has a table of the files, from the leaderboard.
"""

import shutil
from pathlib import Path

from benchmarks.measure import RESULTS, read_rows, rows_with
from benchmarks.tables.files import leaderboard
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    quiet_tensorflow,
)
from keras_convmixer.utils.tables import markdown_table
from keras_convmixer.weights import save_weights
from keras_convmixer.weights.shipped import SHIPPED_FOLDER, SHIPPED_SUFFIX

CARD = """\
# ConvMixer-{network}, {data}

```python
ConvMixer({arguments}, input_shape={shape}, classes={classes}, weights="{data}")
```

**{top1:.2%}** of {images:,} held-out images: never trained on, also used to
choose {decided}.

```sh
{command}
```

- Held out: {held_out}{note}.
- Seed {seed}, {epochs} epochs, {parameters:,} trainable parameters.
- {made_on}; {versions}.
- Calibration: {calibration}.
- Weights: `{stem}{suffix}`, float32, with Keras' names.
- Log: `{stem}.csv`.

## Classes

{table_of_classes}

## Files

{table_of_files}

## Training

{pictures}
"""
PICTURES = {
    "history": "Loss and accuracy",
    "kernels": "Depthwise kernels",
    "confusion": "Which classes are confused",
}


def main(arguments=None):
    parser = Parser(
        prog="python -m tools.model_card",
        description="Puts a trained network into the package.",
    )
    add = parser.add_argument
    add("run", type=Path, help="the folder of a training")
    add("--command", required=True, help="how it was made")
    add("--made-on", required=True, help="the machine, and for how long")
    add("--note", default="", help="what else is to be known of the images")
    add("--folder", type=Path, default=SHIPPED_FOLDER, help="where to")
    args = parser.parse_args(arguments)
    with one_line_errors():
        quiet_tensorflow()
        ship(args)


def ship(args):
    """Writes the weights, the log, the pictures and the card of a run."""
    from keras_convmixer.runs.run_folder import RunFolder
    from keras_convmixer.variants import short_form

    run = RunFolder(args.run)
    plan = run.read_config().plan
    model, recipe, data = run.read()
    network = short_form(**recipe.network)
    stem = "-".join([plan.source.dataset, *network.split("/")])
    args.folder.mkdir(exist_ok=True)
    save_weights(
        model,
        args.folder / f"{stem}{SHIPPED_SUFFIX}",
        description=f"{plan.source.dataset}: the weights of {args.command}; "
        f"see {stem}.md",
    )
    shutil.copyfile(run.history_path, args.folder / f"{stem}.csv")
    for name in PICTURES:
        shutil.copyfile(
            run.plots_folder / f"{name}.png", args.folder / f"{stem}-{name}.png"
        )
    card = card_of(run, model, data, stem=stem, network=network, args=args)
    (args.folder / f"{stem}.md").write_text(card)
    print(card)


def card_of(run, model, data, stem, network, args):
    """The text of the card."""
    from keras_convmixer.evaluation.calibration_report import (
        format_calibration,
    )

    config = run.read_config()
    plan, metrics = config.plan, run.metrics()
    recipe, calibration = plan.recipe, metrics.get("calibration")
    return CARD.format(
        network=network,
        data=plan.source.dataset,
        arguments=f"{recipe.dim}, {recipe.depth}, {recipe.kernel_size}, "
        f"{recipe.patch_size}",
        shape=model.input_shape[1:],
        classes=len(data.classes),
        top1=metrics["top1"],
        images=metrics["images"],
        decided=metrics["decided"],
        command=args.command,
        held_out=metrics["held_out"],
        note=f", {args.note}" if args.note else "",
        seed=plan.seed,
        epochs=recipe.epochs,
        parameters=sum(v.shape.num_elements() for v in model.trainable_weights),
        made_on=args.made_on,
        versions=", ".join(f"{k} {v}" for k, v in config.versions.items()),
        calibration=format_calibration(calibration) if calibration else "none",
        stem=stem,
        suffix=SHIPPED_SUFFIX,
        table_of_classes=table_of_classes(model, data),
        table_of_files=table_of_files(data.name, network),
        pictures="\n\n".join(
            f"![{title}]({stem}-{name}.png)" for name, title in PICTURES.items()
        ),
    )


def table_of_classes(model, data):
    """Of each class how often it is recognised, and for what it is taken."""
    from sklearn.metrics import confusion_matrix

    from keras_convmixer.evaluation.predictions import predict

    found = predict(model, data.held_out)
    counts = confusion_matrix(
        found.labels, found.classes, labels=range(len(data.classes))
    )
    rows = []
    for index, name in enumerate(data.classes):
        others = counts[index].copy()
        others[index] = 0
        rows.append(
            {
                "class": name,
                "images": int(counts[index].sum()),
                "recall %": percent(counts[index, index], counts[index]),
                "precision %": percent(counts[index, index], counts[:, index]),
                "most often taken for": f"{data.classes[others.argmax()]} "
                f"({others.max()})"
                if others.any()
                else None,
            }
        )
    return markdown_table(rows)


def percent(right, counts):
    total = counts.sum()
    return f"{100 * right / total:.1f}" if total else None


def table_of_files(data, network):
    """The network's rows of the leaderboard, or that it is not there yet."""
    known = read_rows(RESULTS / "leaderboard.csv")
    rows = rows_with(known, {"data": data, "network": network})
    if not rows:
        return "Not measured yet."
    return markdown_table(leaderboard(rows))


if __name__ == "__main__":
    main()
