"""The study's rivals beside timm's networks of the same sizes.

python -m benchmarks.study.with_timm --data-dir tfds/

timm's ResNet, ViT and MLP-Mixer are trained by PyTorch on the images that ours
had, in the same order, rounded to bytes, with the same steps, optimiser and
learning rates. It wants timm and PyTorch.
"""

import importlib.util
import itertools
import operator
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measure import RESULTS, read_rows, rows_with, write_csv
from benchmarks.study.questions import RIVALS
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import (
    Parser,
    new_process,
    one_line_errors,
    quiet_tensorflow,
)
from keras_convmixer.utils.tables import markdown_table

# What the images of a training and their order follow from.
IMAGES = ("dataset", "recipe", "image_size", "epochs", "seed")


def main(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.study.with_timm",
        description="Trains timm's networks as the study's rivals.",
    )
    parser.add_argument("--data-dir")
    parser.add_argument("--study", type=Path, default=RESULTS / "study.csv")
    output = RESULTS / "study_timm.csv"
    parser.add_argument("--output", type=Path, default=output)
    args = parser.parse_args(arguments)
    with one_line_errors(), tempfile.TemporaryDirectory() as folder:
        if not importlib.util.find_spec("timm"):
            raise UserError("timm is not installed: pip install timm")
        rows = read_rows(args.output)
        missing = [
            ours
            for ours in rows_with(read_rows(args.study), {"question": "rivals"})
            if ours["network"] in RIVALS and not rows_with(rows, key_of(ours))
        ]
        images_of = operator.itemgetter(*IMAGES)
        missing.sort(key=images_of)
        for _, alike in itertools.groupby(missing, images_of):
            alike = list(alike)
            # TensorFlow and PyTorch want a process each.
            with new_process(quiet_tensorflow) as process:
                settings = process.submit(
                    write_batches, alike[0], args.data_dir, Path(folder)
                ).result()
            for ours in alike:
                rate = float(ours["learning_rate"])
                with new_process() as process:
                    top1, parameters = process.submit(
                        train, ours["network"], rate, settings, Path(folder)
                    ).result()
                rows.append(
                    key_of(ours)
                    | {
                        "parameters": ours["parameters"],
                        "parameters_timm": parameters,
                        "top1": ours["top1"],
                        "top1_timm": top1,
                    }
                )
                write_csv(args.output, rows)
        print(markdown_table(rows))


def key_of(row):
    """What tells one training from another."""
    return {name: row[name] for name in ("network", "learning_rate", "seed")}


def write_batches(row, data_dir, folder):
    """The images of a training and those held out, as arrays of bytes.

    Args:
        row: Of the study; its network and learning rate do not matter.
        data_dir: Where tensorflow-datasets keeps its files, or None.
        folder: Gets the arrays.

    Returns:
        What else makes a training, for `train`, with learning rates whose
        peak is 1.
    """
    from benchmarks.study.training import recipe_of
    from keras_convmixer.architecture import IMAGENET_MEAN, IMAGENET_STD
    from keras_convmixer.data.augmentation import Augmentation
    from keras_convmixer.data.batches import steps_in_epoch, training_batches
    from keras_convmixer.data.image_data import as_arrays
    from keras_convmixer.data.source import Source
    from keras_convmixer.training.compile import OneCycle

    numbers = {name: int(row[name]) for name in ("image_size", "epochs")}
    recipe = recipe_of(row | numbers | {"learning_rate": 1.0})
    data = Source(dataset=row["dataset"], data_dir=data_dir).load(
        recipe.image_size
    )
    steps = steps_in_epoch(data, recipe.batch_size)
    total, side = steps * recipe.epochs, recipe.image_size
    images = np.lib.format.open_memmap(
        folder / "images.npy",
        mode="w+",
        dtype=np.uint8,
        shape=(total, recipe.batch_size, side, side, 3),
    )
    batches = training_batches(
        data,
        recipe.batch_size,
        steps,
        int(row["seed"]),
        augmentation=Augmentation(recipe),
    )
    labels = []
    for step, batch in enumerate(batches.take(total).as_numpy_iterator()):
        images[step] = np.round(batch[0])
        labels.append(batch[1])
    np.save(folder / "labels.npy", labels)
    for name, array in zip(
        ("held_out", "held_out_labels"), as_arrays(data.held_out), strict=True
    ):
        np.save(folder / f"{name}.npy", array)
    schedule = OneCycle(1.0, total)
    return {
        "seed": int(row["seed"]),
        "rates": [float(schedule(step)) for step in range(total)],
        "mean": 255 * np.array(IMAGENET_MEAN),
        "deviation": 255 * np.array(IMAGENET_STD),
        "label_smoothing": recipe.label_smoothing,
        "optimizer": {
            "weight_decay": recipe.weight_decay,
            "eps": recipe.epsilon,
        },
    }


def vit(dim, depth, heads, patch_size, image_size, classes):
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=image_size,
        patch_size=patch_size,
        num_classes=classes,
        embed_dim=dim,
        depth=depth,
        num_heads=heads,
        class_token=False,
        global_pool="avg",
        fc_norm=False,
    )


def mlp_mixer(dim, depth, patch_size, image_size, classes):
    from timm.models.mlp_mixer import MlpMixer

    return MlpMixer(
        num_classes=classes,
        img_size=image_size,
        patch_size=patch_size,
        num_blocks=depth,
        embed_dim=dim,
    )


def resnet(blocks, width, image_size, classes):
    """The paper's three stages of timm's blocks, whose shortcuts have kernels.

    timm has ResNets for ImageNet only; begun as those are.
    """
    from timm.models.resnet import BasicBlock, ResNet, make_blocks
    from torch import nn

    channels = [width, 2 * width, 4 * width]
    stages, _ = make_blocks(
        block_fns=[BasicBlock] * 3,
        channels=channels,
        block_repeats=[blocks] * 3,
        inplanes=width,
    )
    model = nn.Sequential(
        nn.Conv2d(3, width, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        *(stage for _, stage in stages),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels[-1], classes),
    )
    ResNet.init_weights(model)
    return model


# timm's networks, by the names of ours and with the arguments that ours have.
OF_TIMM = {"ResNet": resnet, "ViT": vit, "MLPMixer": mlp_mixer}


def train(network, learning_rate, settings, folder):
    """Trains timm's network.

    Args:
        network: One of `RIVALS`.
        learning_rate: The peak.
        settings, folder: What `write_batches` returned, and wrote to.

    Returns:
        `(top1, parameters)`: the accuracy on the held-out images in per cent,
        and the number of trainable parameters.
    """
    import torch

    names = ("images", "labels", "held_out", "held_out_labels")
    images, labels, held_out, held_out_labels = (
        np.load(folder / f"{name}.npy", mmap_mode="r") for name in names
    )
    torch.manual_seed(settings["seed"])
    kind, arguments = RIVALS[network]
    sizes = {"image_size": images.shape[2], "classes": labels.shape[-1]}
    model = OF_TIMM[kind](**arguments, **sizes)
    decayed, others = [], []
    for name, weight in model.named_parameters():
        is_kernel = weight.ndim > 1 and name != "pos_embed"
        (decayed if is_kernel else others).append(weight)
    optimizer = torch.optim.AdamW(
        [{"params": decayed}, {"params": others, "weight_decay": 0}],
        **settings["optimizer"],
    )
    smoothing = settings["label_smoothing"]
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)

    def tensor(pixels):
        pixels = (pixels - settings["mean"]) / settings["deviation"]
        pixels = np.float32(pixels).transpose(0, 3, 1, 2)
        return torch.from_numpy(pixels.copy())

    batches = zip(images, labels, settings["rates"], strict=True)
    for pixels, expected, rate in batches:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * rate
        loss = loss_of(model(tensor(pixels)), torch.tensor(expected))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        found = np.concatenate(
            [
                model(tensor(held_out[first : first + 500])).argmax(-1)
                for first in range(0, len(held_out), 500)
            ]
        )
    top1 = round(100 * float(np.mean(found == held_out_labels)), 2)
    return top1, sum(weight.numel() for weight in model.parameters())


if __name__ == "__main__":
    main()
