"""Puts a trained network into the package, with its model card and its log.

python -m tools.model_card runs/cifar10_cpu \\
    --command "python train.py --dataset cifar10 --recipe cifar10_cpu"
"""

import csv
import json
import shutil
from pathlib import Path

from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    quiet_tensorflow,
)
from keras_convmixer.utils.tables import markdown_table
from keras_convmixer.weights.save import save_weights
from keras_convmixer.weights.shipped import SHIPPED_FOLDER, SHIPPED_SUFFIX

CARD = """\
# {network}, {data}

```python
ConvMixer(
    {arguments}, input_shape={shape}, classes={classes}, weights="{data}"
)
```

**{top1:.2%}** of {images:,} held-out images: they were not trained on, and
decided {decided}.

```sh
{command}
```

- Held out: {held_out}{note}.
- Seed {seed}, {epochs} epochs, {parameters:,} trainable parameters.
- {devices}; {versions}.
- Weights: `{weights}`, float32, with Keras' names.
- Log: `{log}`.

{table}

{pictures}
"""
PICTURES = {
    "kernels": "Depthwise kernels",
    "history": "Loss and accuracy",
    "confusion": "Which classes are confused",
}


def main(arguments=None):
    parser = Parser(description="Puts a trained network into the package.")
    parser.add_argument("run", type=Path, help="the folder of a training")
    parser.add_argument("--command", required=True, help="how it was made")
    parser.add_argument("--devices", default="Two CPU cores")
    parser.add_argument("--note", default="", help="what else is to be known")
    args = parser.parse_args(arguments)
    with one_line_errors():
        quiet_tensorflow()
        ship(args)


def ship(args):
    from keras_convmixer.training.run_folder import RunFolder
    from keras_convmixer.variants import short_form

    run = RunFolder(args.run)
    config = run.read_config()
    plan = config.plan
    metrics = json.loads(run.metrics_path.read_text())
    model = run.trained_model()
    recipe = plan.recipe
    network = short_form(**recipe.network)
    stem = "-".join([plan.source.dataset, *network.split("/")])
    SHIPPED_FOLDER.mkdir(exist_ok=True)
    weights = SHIPPED_FOLDER / f"{stem}{SHIPPED_SUFFIX}"
    save_weights(
        model,
        weights,
        description=f"{plan.source.dataset}: the weights of {args.command}; "
        f"see {stem}.md",
    )
    log = SHIPPED_FOLDER / f"{stem}.csv"
    shutil.copyfile(run.history_path, log)
    with open(run.history_path, newline="") as file:
        rows = [
            {
                "epoch": 1 + int(row["epoch"]),
                **{
                    name: round(float(row[name]), 4)
                    for name in row
                    if name != "epoch"
                },
            }
            for row in csv.DictReader(file)
        ]
    pictures = []
    for name, title in PICTURES.items():
        picture = f"{stem}-{name}.png"
        shutil.copyfile(
            run.plots_folder / f"{name}.png", SHIPPED_FOLDER / picture
        )
        pictures.append(f"![{title}]({picture})")
    card = CARD.format(
        network=f"ConvMixer-{network}",
        data=plan.source.dataset,
        arguments=f"{recipe.dim}, {recipe.depth}, {recipe.kernel_size}, "
        f"{recipe.patch_size}",
        shape=model.input_shape[1:],
        classes=len(config.classes),
        top1=metrics["top1"],
        images=metrics["images"],
        held_out=metrics["held_out"],
        decided=metrics["decided"],
        parameters=sum(v.shape.num_elements() for v in model.trainable_weights),
        command=args.command,
        seed=plan.seed,
        devices=args.devices,
        versions=", ".join(f"{k} {v}" for k, v in config.versions.items()),
        epochs=recipe.epochs,
        note=f", {args.note}" if args.note else "",
        weights=weights.name,
        log=log.name,
        table=markdown_table(rows),
        pictures="\n\n".join(pictures),
    )
    (SHIPPED_FOLDER / f"{stem}.md").write_text(card)
    print(card)


if __name__ == "__main__":
    main()
