"""`convmixer train`, and `python train.py`: from images to a run folder."""

import dataclasses
from argparse import BooleanOptionalAction
from pathlib import Path

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import (
    Parser,
    integer_from,
    number_from_0_to,
    one_line_errors,
    positive_float,
    positive_int,
    positive_share,
    quiet_tensorflow,
    share,
)


def parse_arguments(arguments=None):
    parser = Parser(
        description="Trains a ConvMixer and writes a run folder.",
        epilog="The defaults are the data set's recipe, in "
        "keras_convmixer/training/recipes.py.",
    )
    add = parser.add_argument
    add("--dataset", help="digits (default) or a tensorflow-datasets name")
    add("--data-dir", help="where tensorflow-datasets keeps its files")
    add("--image-folder", help="a folder with a folder of images per class")
    add("--broken-images", choices=("skip", "error"), default="skip")
    add("--recipe", metavar="NAME", help="in place of the data set's own")
    add("--model", help="a network: convmixer_768_32, or 256/8/k5/p2")
    add("--weights", help="weights to start from: a name or a file")
    add("--image-size", type=integer_from(1, 4096), help="pixels")
    add("--epochs", type=positive_int)
    add("--batch-size", type=positive_int, help="over all replicas together")
    add("--learning-rate", type=positive_float, help="peak of the schedule")
    add("--weight-decay", type=share, help="AdamW's, on kernels only")
    add("--label-smoothing", type=share, help="from 0 to 1")
    add("--ema", type=share, help="what each step keeps of mean weights")
    add(
        "--accumulation",
        type=positive_int,
        metavar="BATCHES",
        help="whose gradients make one step",
    )
    add("--flip", action=BooleanOptionalAction, help="mirror at random")
    add("--shift", type=share, help="of the side, at most")
    add("--crop", type=positive_share, help="of the area, at least")
    add("--rand-augment", type=number_from_0_to(10), help="magnitude")
    add("--erasing", type=share, help="of the images")
    add("--mixup", type=share, help="alpha; 0 for none")
    add("--cutmix", type=share, help="alpha; 0 for none")
    add(
        "--freeze",
        type=integer_from(0, 1000),
        metavar="BLOCKS",
        help="leave the stem and the first blocks as --weights has them",
    )
    add(
        "--mixed-precision",
        choices=("float16", "bfloat16"),
        help="compute in 16 bits; what is saved is float32",
    )
    add("--seed", type=integer_from(0, 2**32 - 1), default=0)
    add("--limit-steps", type=positive_int, help="steps an epoch at most")
    add("--replicas", type=positive_int, help="GPUs, or logical CPUs")
    add("--tensorboard", action="store_true", help="logs in RUN/tensorboard")
    add("--run", type=Path, help="folder to write (default: runs/NAME)")
    add("--resume", type=Path, metavar="RUN", help="go on after a stop")
    args = parser.parse_args(arguments)
    given = {k for k, v in vars(args).items() if v != parser.get_default(k)}
    if args.resume and given != {"resume"}:
        parser.error("--resume takes no other option: the run has them all")
    if args.freeze is not None and not args.weights:
        parser.error("--freeze needs --weights")
    if not args.image_folder and not args.dataset:
        args.dataset = "digits"
    return args


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        from keras_convmixer.training.run_folder import RunFolder
        from keras_convmixer.training.train import train

        # A mistake is answered before TensorFlow's seconds.
        run = RunFolder(args.resume) if args.resume else None
        plan = run.reopen() if run else new_plan(args)
        quiet_tensorflow()
        train(plan, args.run, run)


def new_plan(args):
    """What to train, on what."""
    from keras_convmixer.data.source import Source
    from keras_convmixer.training.recipes import Recipe, recipe_for
    from keras_convmixer.training.run_folder import Plan, check_empty
    from keras_convmixer.training.workers import worker_addresses
    from keras_convmixer.variants import parse_variant
    from keras_convmixer.weights.load import find_file

    source = Source(
        *(args.dataset, args.data_dir, args.image_folder, args.seed),
        args.broken_images,
    )
    variant = args.model and parse_variant(args.model)
    workers = worker_addresses()
    if workers and not args.run:
        raise UserError("several machines need --run, the same on each")
    if args.run and not workers:
        check_empty(args.run)
    if source.dataset not in (None, "digits"):
        quiet_tensorflow()  # Which tensorflow-datasets imports.
    recipe = recipe_for(source.dataset, source.native_size(), args.recipe)
    if variant:
        recipe = recipe.with_variant(variant)
    recipe = recipe.replace(**options_of(Recipe, args))
    if args.weights:
        find_file(args.weights, recipe.network)
    options = options_of(Plan, args)
    return Plan(**options | {"recipe": recipe, "source": source})


def options_of(record, args):
    """The arguments that are fields of a dataclass."""
    names = {field.name for field in dataclasses.fields(record)}
    return {k: v for k, v in vars(args).items() if k in names}
