"""`convmixer train`, and `python train.py`: from images to a run folder."""

import contextlib
import dataclasses
import sys
from argparse import BooleanOptionalAction
from pathlib import Path

from keras_convmixer.data.reading import AUTO
from keras_convmixer.data.source import BROKEN_IMAGES, DUPLICATES, Source
from keras_convmixer.runs.plan import (
    CLASS_WEIGHTS,
    KEEP,
    MIXED_PRECISIONS,
    XLA,
    Plan,
)
from keras_convmixer.runs.recipe import Recipe
from keras_convmixer.runs.run_folder import RunFolder, check_empty
from keras_convmixer.training.recipes import recipe_for
from keras_convmixer.training.workers import is_lost_machine
from keras_convmixer.utils.backend import (
    check_training_backend,
    configured_backend,
)
from keras_convmixer.utils.checks import UserError, allowed_of
from keras_convmixer.utils.cluster import is_chief, worker_addresses
from keras_convmixer.utils.commands import (
    STOPPED,
    Parser,
    command,
    number,
    one_line_errors,
    quiet_tensorflow,
)
from keras_convmixer.variants import DEPTHWISE_INITIALIZERS, parse_variant
from keras_convmixer.weights import find_file

# Where the images are now: options that a run folder can be given anew.
PLACES = ("image_folder", "test_folder", "data_dir")
RESUME = ("--replicas", "--image-folder", "--test-folder", "--data-dir")
RESUME += ("--workers", "--cache")
LOST = 1  # Exit status of a machine that others have left.


def parse_arguments(arguments=None):
    parser = Parser(
        description="Trains a ConvMixer and writes a run folder.",
        epilog="The defaults are the data set's recipe, in "
        "keras_convmixer/training/recipes.py.",
    )
    add = parser.add_argument

    def add_number(record, flag, **options):
        name = flag.removeprefix("--").replace("-", "_")
        add(flag, type=number(allowed_of(record, name)), **options)

    add("--dataset", help="digits (default) or a tensorflow-datasets name")
    add("--data-dir", help="where tensorflow-datasets keeps its files")
    add("--image-folder", help="a folder with a folder of images per class")
    add("--test-folder", help="its test part, if that is elsewhere")
    add(
        "--broken-images",
        choices=BROKEN_IMAGES,
        default="skip",
        help="of the folder (default: skip)",
    )
    add(
        "--duplicates",
        choices=DUPLICATES,
        default="warn",
        help="in two parts or classes (default: warn)",
    )
    add("--recipe", metavar="NAME", help="in place of the data set's own")
    add("--model", help="a network: convmixer_768_32, or 256/8/k5/p2")
    add(
        "--depthwise-initializer",
        choices=DEPTHWISE_INITIALIZERS,
        help="how the depthwise kernels are drawn",
    )
    add("--weights", help="weights to start from: a name or a file")
    add_number(Recipe, "--image-size", help="pixels")
    add_number(Recipe, "--epochs")
    add_number(Recipe, "--batch-size", help="over all replicas together")
    add_number(Recipe, "--learning-rate", help="peak of the schedule")
    add_number(Recipe, "--weight-decay", help="AdamW's, on kernels only")
    add_number(Recipe, "--label-smoothing", help="from 0 to 1")
    add_number(Recipe, "--ema", help="what each step keeps of mean weights")
    add_number(
        Recipe,
        "--accumulation",
        metavar="BATCHES",
        help="whose gradients make one step",
    )
    add("--flip", action=BooleanOptionalAction, help="mirror at random")
    add_number(Recipe, "--shift", help="of the side, at most")
    add_number(Recipe, "--crop", help="of the area, at least")
    add_number(Recipe, "--rand-augment", help="magnitude")
    add_number(Recipe, "--erasing", help="of the images")
    add_number(Recipe, "--mixup", help="alpha; 0 for none")
    add_number(Recipe, "--cutmix", help="alpha; 0 for none")
    add_number(
        Plan,
        "--freeze",
        metavar="BLOCKS",
        help="leave the stem and the first blocks as --weights has them",
    )
    add(
        "--mixed-precision",
        choices=MIXED_PRECISIONS,
        help="compute in 16 bits; what is saved is float32; auto: the type "
        "that the GPU is made for, float32 on a CPU",
    )
    add(
        "--xla",
        choices=XLA,
        default="auto",
        help="compile the training step (default: on GPUs only)",
    )
    add(
        "--deterministic",
        action="store_true",
        help="the same bits in every run on a GPU too, at an unknown cost",
    )
    add(
        "--rematerialize",
        action="store_true",
        help="compute activations again for the gradient, to save memory",
    )
    add_number(Plan, "--seed", default=0)
    add_number(Plan, "--limit-steps", help="steps an epoch at most")
    add_number(Plan, "--replicas", help="GPUs, or logical CPUs")
    add_number(
        Plan,
        "--workers",
        metavar="THREADS",
        help="that decode and augment images (default: one per usable CPU)",
    )
    add(
        "--cache",
        default=AUTO,
        metavar="{auto,off,BYTES}",
        help="keep decoded images in memory up to so many bytes; auto: 1 GiB "
        "for the images to train on, and as much for those held out "
        "(default: auto)",
    )
    add(
        "--class-weights",
        choices=CLASS_WEIGHTS,
        help="all classes count the same, however few their images",
    )
    add("--keep", choices=KEEP, default="last", help="epoch (default: last)")
    add(
        "--calibration",
        dest="calibrate",
        action=BooleanOptionalAction,
        default=True,
        help="fold a temperature into the trained model, so that its "
        "probabilities mean what they say (default: yes)",
    )
    add("--tensorboard", action="store_true", help="logs in RUN/tensorboard")
    add("--run", type=Path, help="folder to write (default: runs/NAME)")
    add(
        "--resume",
        type=Path,
        metavar="RUN",
        help="go on after a stop, with --replicas, --workers, --cache, "
        "--image-folder, --test-folder or --data-dir if the machine or the "
        "place of the images is another one",
    )
    args = parser.parse_args(arguments)
    if args.resume:
        options = parser.options(arguments)
        check_resume_options(parser, args.resume, options)
        if "--cache" not in options:
            args.cache = None
        return args
    if args.freeze is not None and not args.weights:
        parser.error("--freeze needs --weights")
    if not args.image_folder and not args.dataset:
        args.dataset = "digits"
    return args


def check_resume_options(parser, run, options):
    """Refuses what a training that goes on has from its run folder.

    Args:
        parser: The parser of the options.
        run: The run folder.
        options: The flags that were written.
    """
    others = [flag for flag in options if flag not in ("--resume", *RESUME)]
    if "--epochs" in others:
        parser.error(
            "--resume can't change --epochs, which the schedule of the "
            "learning rate depends on. To train further, start a new run from "
            "the weights of this one: "
            + command("train", "--weights", RunFolder(run).model_path)
        )
    if others:
        parser.error(
            f"--resume takes {', '.join(RESUME)} only: the run has all other "
            f"options. Received: {', '.join(others)}"
        )


@one_line_errors()
def main(arguments=None):
    args = parse_arguments(arguments)
    # TensorFlow takes seconds to import: a mistake is answered before.
    check_training_backend(configured_backend())
    if args.resume:
        run = RunFolder(args.resume)
        run.read_plan()
        quiet_tensorflow()
        from keras_convmixer.training.train import resume

        places = {name: getattr(args, name) for name in PLACES}
        with resumable(run, args.replicas):
            resume(run, args.replicas, args.workers, args.cache, **places)
    else:
        with option_named(args):
            plan = new_plan(args)
            quiet_tensorflow()
            from keras_convmixer.training.train import begin, finish

            training, run = begin(plan, args.run)
        with option_named(args), resumable(run):
            finish(training, run)
    if is_chief():
        print(f"next: {command('export', run.path)}")


@contextlib.contextmanager
def resumable(run, replicas=None):
    """Prints how to go on with a training that is stopped.

    Args:
        run: Its `RunFolder`.
        replicas: Of `--resume`, where the run folder has another number.
    """
    options = ["--resume", run.path]
    if replicas is not None:
        options += ["--replicas", replicas]
    try:
        yield
    except KeyboardInterrupt:
        print(f"stopped; to go on: {command('train', *options)}")
        sys.exit(STOPPED)
    except Exception as error:
        from keras_convmixer.training.gpus import is_out_of_memory

        if is_out_of_memory(error):
            raise UserError(out_of_memory(run.read_config())) from error
        if not (worker_addresses() and is_lost_machine(error)):
            raise
        print(
            f"lost a machine ({type(error).__name__}); to go on, start all "
            f"of them again: {command('train', *options)}"
        )
        sys.exit(LOST)


def out_of_memory(config):
    """What to do where the memory of a GPU does not suffice.

    Args:
        config: The `Config` of the training.
    """
    recipe = config.plan.recipe
    words = (
        "the memory of the GPU does not suffice for batches of "
        f"{recipe.batch_size}. Start anew with "
    )
    half = recipe.batch_size // 2
    if not half:
        return words + "a smaller --image-size"
    # TensorFlow accumulates with one replica only.
    accumulation = ""
    if config.machine.get("replicas", 1) == 1:
        accumulation = f" --accumulation {2 * recipe.accumulation}"
    return f"{words}--batch-size {half}{accumulation}"


@contextlib.contextmanager
def option_named(args):
    """Adds to an error of a value that the recipe has which option sets it."""
    try:
        yield
    except UserError as error:
        argument = error.argument
        if argument is None or getattr(args, argument, argument) is not None:
            raise
        option = "--" + argument.replace("_", "-")
        raise UserError(
            f"{error}, of the recipe; {option} changes it"
        ) from None


def new_plan(args):
    """What to train, on what."""
    source = Source(
        dataset=args.dataset,
        data_dir=args.data_dir,
        image_folder=args.image_folder,
        test_folder=args.test_folder,
        seed=args.seed,
        broken_images=args.broken_images,
        duplicates=args.duplicates,
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
