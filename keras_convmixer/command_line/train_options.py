"""The options of `convmixer train`, by subject."""

import argparse
import dataclasses
from argparse import BooleanOptionalAction
from pathlib import Path

from keras_convmixer.data.source import BROKEN_IMAGES, DUPLICATES
from keras_convmixer.runs.plan import (
    CLASS_WEIGHTS,
    KEEP,
    MIXED_PRECISIONS,
    XLA,
    Plan,
)
from keras_convmixer.runs.recipe import Recipe
from keras_convmixer.training.recipes import RECIPES
from keras_convmixer.utils.checks import UserError, allowed_of, check_choice
from keras_convmixer.utils.commands import Parser, number
from keras_convmixer.variants import DEPTHWISE_INITIALIZERS, short_form

EPILOG = """\
Where no default is given, the recipe decides: --show-recipe NAME prints its
values. Digits, CIFAR-10 and ImageNet have a recipe of their own; a folder of
photos has `photographs`, or `thumbnails` if the images are small.
"""


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


def make_parser():
    """The parser of all options."""
    parser = Parser(
        usage="%(prog)s [OPTION ...]",
        description="Trains a ConvMixer on a dataset or a folder of photos and "
        "writes a run folder: the model, its configuration, metrics and plots.",
        epilog=EPILOG,
    )
    add_data(parser.add_argument_group("data"))
    add_network(parser.add_argument_group("network"))
    add_optimization(parser.add_argument_group("optimisation"))
    add_augmentation(parser.add_argument_group("augmentation"))
    add_run(parser.add_argument_group("run"))
    add_device(parser.add_argument_group("device"))
    return parser


def add_number(group, record, flag, **options):
    """Adds an option for a field of a dataclass that `limited` made."""
    name = flag.removeprefix("--").replace("-", "_")
    group.add_argument(flag, type=number(allowed_of(record, name)), **options)


def add_data(group):
    add = group.add_argument
    add(
        "--dataset",
        metavar="NAME",
        help="digits, or a name of tensorflow-datasets (default: digits)",
    )
    add(
        "--data-dir",
        metavar="FOLDER",
        help="where tensorflow-datasets keeps its files (default: its own)",
    )
    add(
        "--image-folder",
        metavar="FOLDER",
        help="train on a folder with one subfolder of images per class",
    )
    add(
        "--test-folder",
        metavar="FOLDER",
        help="test images of --image-folder, if they are elsewhere",
    )
    add(
        "--broken-images",
        choices=BROKEN_IMAGES,
        help="what to do with unreadable images (default: skip)",
    )
    add(
        "--duplicates",
        choices=DUPLICATES,
        help="what to do with duplicates across splits or classes (default: "
        "warn)",
    )
    add(
        "--class-weights",
        choices=CLASS_WEIGHTS,
        help="balanced: every class has the same weight in the loss (default: "
        "every image has)",
    )
    add_number(
        group,
        Plan,
        "--seed",
        metavar="N",
        help="seed of the weights, order, augmentation and split (default: 0)",
    )


def add_network(group):
    add = group.add_argument
    add(
        "--model",
        metavar="NAME",
        help="network: a name such as convmixer_768_32, or "
        "DIM/DEPTH/kKERNEL/pPATCH, as in 256/8/k5/p2, or 256/8/k5/p2@32 for "
        "images of 32 pixels",
    )
    add(
        "--activation",
        choices=("gelu", "relu"),
        help="activation function (default: gelu, or the one of --model)",
    )
    add(
        "--depthwise-initializer",
        choices=DEPTHWISE_INITIALIZERS,
        help="random initialisation of the depthwise kernels",
    )
    add(
        "--weights",
        metavar="NAME",
        help="start from pretrained weights: a name such as imagenet, or a "
        "file (default: random initialisation)",
    )
    add_number(
        group,
        Plan,
        "--freeze",
        metavar="BLOCKS",
        help="with --weights: freeze the stem and the first BLOCKS blocks "
        "(default: train all layers)",
    )
    add_number(
        group,
        Recipe,
        "--image-size",
        metavar="PIXELS",
        help="height and width of the input images",
    )


def add_optimization(group):
    for flag, metavar, text in (
        ("--epochs", "N", "passes over the training images"),
        ("--batch-size", "N", "images per batch, over all replicas together"),
        ("--learning-rate", "RATE", "peak learning rate of the schedule"),
        ("--weight-decay", "RATE", "weight decay of AdamW, on kernels only"),
        ("--label-smoothing", "SHARE", "label smoothing, 0 to 1"),
        ("--ema", "DECAY", "EMA decay of the weights (0: off)"),
        (
            "--accumulation",
            "BATCHES",
            "gradient accumulation: batches per optimizer step",
        ),
    ):
        add_number(group, Recipe, flag, metavar=metavar, help=text)
    add_number(
        group,
        Plan,
        "--limit-steps",
        metavar="N",
        help="max. batches per epoch (default: no limit)",
    )


def add_augmentation(group):
    group.add_argument(
        "--flip",
        action=BooleanOptionalAction,
        help="random horizontal flips",
    )
    for flag, metavar, text in (
        ("--shift", "SHARE", "max. random shift, as a fraction of the side"),
        (
            "--crop",
            "SHARE",
            "min. area of a random crop, a fraction (1: off)",
        ),
        ("--rand-augment", "M", "magnitude of RandAugment, 0 (off) to 10"),
        ("--erasing", "SHARE", "probability of random erasing, 0 to 1"),
        ("--mixup", "ALPHA", "alpha of mixup (0: off)"),
        ("--cutmix", "ALPHA", "alpha of CutMix (0: off)"),
    ):
        add_number(group, Recipe, flag, metavar=metavar, help=text)


def add_run(group):
    add = group.add_argument
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
    add_number(
        group,
        Plan,
        "--backup-minutes",
        metavar="MINUTES",
        help="time between two backups within an epoch (default: 10)",
    )
    add(
        "--keep",
        choices=KEEP,
        help="which epoch's weights to keep (default: last)",
    )
    add(
        "--calibration",
        dest="calibrate",
        action=BooleanOptionalAction,
        help="fit a softmax temperature on the held-out images and fold it "
        "into the model (default: yes)",
    )
    add(
        "--tensorboard",
        action="store_true",
        help="write TensorBoard logs to RUN/tensorboard",
    )


def add_device(group):
    add = group.add_argument
    add_number(
        group,
        Plan,
        "--replicas",
        metavar="N",
        help="number of GPUs, or of logical CPU devices (default: all GPUs)",
    )
    add_number(
        group,
        Plan,
        "--workers",
        metavar="THREADS",
        help="threads that decode and augment images (default: one per CPU "
        "this process may use)",
    )
    add(
        "--cache",
        metavar="{auto,off,BYTES}",
        help="keep decoded images in memory up to this size; auto: 1 GiB "
        "for training and 1 GiB for held-out images (default: auto)",
    )
    add(
        "--mixed-precision",
        choices=MIXED_PRECISIONS,
        help="compute in 16 bits; weights are saved as float32. auto: the best "
        "type for the GPU, float32 on a CPU (default: float32)",
    )
    add(
        "--xla",
        choices=XLA,
        help="compile the training step with XLA (default: auto, on GPUs only)",
    )
    add(
        "--deterministic",
        action="store_true",
        help="bit-reproducible training on a GPU, at some cost of speed",
    )
    add(
        "--rematerialize",
        action="store_true",
        help="recompute activations in the backward pass: less memory, slower",
    )
