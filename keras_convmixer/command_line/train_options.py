"""The options of `convmixer train`, by subject."""

import argparse
import dataclasses
from argparse import BooleanOptionalAction
from pathlib import Path

from keras_convmixer.data.source import BROKEN_IMAGES, DUPLICATES, Source
from keras_convmixer.runs.plan import (
    CLASS_WEIGHTS,
    KEEP,
    MIXED_PRECISIONS,
    XLA,
    Plan,
)
from keras_convmixer.runs.recipe import Recipe
from keras_convmixer.training.recipes import RECIPES
from keras_convmixer.utils.checks import UserError, check_choice
from keras_convmixer.utils.commands import Parser, number
from keras_convmixer.variants import DEPTHWISE_INITIALIZERS, short_form

EPILOG = """\
Where no default is given, the recipe decides: --show-recipe NAME prints its
values. Digits, CIFAR-10 and ImageNet have a recipe of their own; every folder
of images has `photographs`, as do other datasets, but for those with images of
64 pixels or less: they have `thumbnails`.
"""
# Each is a field of a `Recipe`, a `Source` or a `Plan`, which have its type,
# its limits and its default.
OPTIONS = {
    "data": {
        "--dataset NAME": "digits, or a name of tensorflow-datasets (default: "
        "digits)",
        "--data-dir FOLDER": "where tensorflow-datasets keeps its files "
        "(default: its own)",
        "--image-folder FOLDER": "train on a folder with one subfolder of "
        "images per class",
        "--test-folder FOLDER": "test images of --image-folder, if they are "
        "elsewhere",
        "--broken-images": "what to do with unreadable images (default: "
        "{default})",
        "--duplicates": "what to do with duplicates across splits or classes "
        "(default: {default})",
        "--class-weights": "balanced: every class has the same weight in the "
        "loss (default: every image has)",
        "--seed N": "seed of the weights, order, augmentation and split "
        "(default: {default})",
    },
    "network": {
        "--activation": "activation function (default: gelu, or the one of "
        "--model)",
        "--depthwise-initializer": "random initialisation of the depthwise "
        "kernels",
        "--weights NAME": "start from pretrained weights: a name such as "
        "imagenet, or a file (default: random initialisation)",
        "--freeze BLOCKS": "with --weights: freeze the stem and the first "
        "BLOCKS blocks (default: train all layers)",
        "--image-size PIXELS": "height and width of the input images",
    },
    "optimisation": {
        "--epochs N": "passes over the training images",
        "--batch-size N": "images per batch, over all replicas together",
        "--learning-rate RATE": "peak learning rate of the schedule",
        "--weight-decay RATE": "weight decay of AdamW, on kernels only",
        "--label-smoothing SHARE": "label smoothing, 0 to 1",
        "--ema DECAY": "EMA decay of the weights (0: off)",
        "--accumulation BATCHES": "gradient accumulation: batches per "
        "optimizer step",
        "--limit-steps N": "max. batches per epoch (default: no limit)",
    },
    "augmentation": {
        "--flip": "random horizontal flips",
        "--shift SHARE": "max. random shift, as a fraction of the side",
        "--crop SHARE": "min. area of a random crop, a fraction (1: off)",
        "--aliased-resize SHARE": "probability of resizing a crop without "
        "antialiasing, bilinear or nearest, 0 to 1",
        "--rand-augment M": "magnitude of RandAugment, 0 (off) to 10",
        "--erasing SHARE": "probability of random erasing, 0 to 1",
        "--mixup ALPHA": "alpha of mixup (0: off)",
        "--cutmix ALPHA": "alpha of CutMix (0: off)",
    },
    "run": {
        "--backup-minutes MINUTES": "time between two backups within an epoch "
        "(default: {default:g})",
        "--keep": "which epoch's weights to keep (default: {default})",
        "--tensorboard": "write TensorBoard logs to RUN/tensorboard",
    },
    "device": {
        "--replicas N": "number of GPUs, or of logical CPU devices (default: "
        "all GPUs)",
        "--workers THREADS": "threads that decode and augment images "
        "(default: one per CPU this process may use)",
        "--cache {auto,off,BYTES}": "keep decoded images in memory up to this "
        "size; auto: 1 GiB for training and 1 GiB for held-out images "
        "(default: {default})",
        "--mixed-precision": "compute in 16 bits; weights are saved as "
        "float32. auto: the best type for the GPU, float32 on a CPU (default: "
        "float32)",
        "--xla": "compile the training step with XLA (default: {default}, on "
        "GPUs only)",
        "--deterministic": "deterministic operations on a GPU, at some cost "
        "of speed",
        "--rematerialize": "recompute activations in the backward pass: less "
        "memory, slower",
    },
}
CHOICES = {
    "broken_images": BROKEN_IMAGES,
    "duplicates": DUPLICATES,
    "class_weights": CLASS_WEIGHTS,
    "activation": ("gelu", "relu"),
    "depthwise_initializer": DEPTHWISE_INITIALIZERS,
    "keep": KEEP,
    "mixed_precision": MIXED_PRECISIONS,
    "xla": XLA,
}


def make_parser():
    """The parser of all options; one that is not written is None."""
    parser = Parser(
        usage="%(prog)s [OPTION ...]",
        description="Trains a ConvMixer on a dataset or a folder of photos and "
        "writes a run folder: the model, its configuration, metrics and plots.",
        epilog=EPILOG,
    )
    groups = {title: parser.add_argument_group(title) for title in OPTIONS}
    groups["network"].add_argument(
        "--model",
        metavar="NAME",
        help="network: a name such as convmixer_768_32, or "
        "DIM/DEPTH/kKERNEL/pPATCH, as in 256/8/k5/p2, or 256/8/k5/p2@32 for "
        "images of 32 pixels",
    )
    add_run(groups["run"].add_argument)
    fields = {
        field.name: field
        for record in (Recipe, Source, Plan)
        for field in dataclasses.fields(record)
    }
    for title, texts in OPTIONS.items():
        for option, text in texts.items():
            flag, _, metavar = option.partition(" ")
            field = fields[flag.removeprefix("--").replace("-", "_")]
            groups[title].add_argument(
                flag,
                help=text.format(default=field.default),
                **kind_of(field, metavar),
            )
    return parser


def kind_of(field, metavar):
    """The arguments of `add_argument` that follow from a field's type."""
    if field.type is bool and field.default:
        return {"action": BooleanOptionalAction}
    if field.type is bool:
        return {"action": "store_true", "default": None}
    if field.name in CHOICES:
        return {"choices": CHOICES[field.name]}
    allowed = field.metadata.get("allowed")
    return {"metavar": metavar, "type": number(allowed) if allowed else str}


def add_run(add):
    """Adds what is no field, or has another name."""
    add(
        "--recipe",
        metavar="NAME",
        help="recipe to use instead of the dataset's own",
    )
    add(
        "--list-recipes",
        action=ListRecipes,
        nargs=0,
        help="print the recipes and exit",
    )
    add(
        "--show-recipe",
        action=ShowRecipe,
        metavar="NAME",
        help="print the values of a recipe and exit",
    )
    add(
        "--dry-run",
        action="store_true",
        help="print images, steps, parameters, memory and an estimate of the "
        "time, and exit",
    )
    add(
        "--run",
        type=Path,
        metavar="FOLDER",
        help="run folder to write (default: runs/NAME)",
    )
    add(
        "--resume",
        type=Path,
        metavar="RUN",
        help="continue an interrupted training; takes --replicas, --workers, "
        "--cache, --image-folder, --test-folder and --data-dir if the hardware "
        "or the location of the images has changed",
    )
    add(
        "--calibration",
        dest="calibrate",
        action=BooleanOptionalAction,
        help="fit a softmax temperature on the held-out images and fold it "
        "into the model (default: yes)",
    )


class ListRecipes(argparse.Action):
    """Prints the recipes, a line for each, and ends."""

    def __call__(self, parser, *arguments):
        width = max(map(len, RECIPES))
        for name, recipe in RECIPES.items():
            print(
                f"{name:{width}}  {short_form(**recipe.network)}"
                f"@{recipe.image_size}, {recipe.epochs} epochs, batches of "
                f"{recipe.batch_size}"
            )
        parser.exit()


class ShowRecipe(argparse.Action):
    """Prints the fields of a recipe and ends."""

    def __call__(self, parser, namespace, name, option=None):
        try:
            recipe = RECIPES[check_choice("--show-recipe", name, RECIPES)]
        except UserError as error:
            parser.error(error)
        for field, value in dataclasses.asdict(recipe).items():
            print(f"{field:22} {value}")
        parser.exit()
