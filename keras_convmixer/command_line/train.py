"""`convmixer train`, and `python train.py`: from images to a run folder."""

import contextlib
import sys

from keras_convmixer.command_line.train_options import make_parser
from keras_convmixer.data.throughput import keep_freed_memory
from keras_convmixer.runs.run_folder import RunFolder
from keras_convmixer.training.options import plan_of, resume
from keras_convmixer.utils.backend import check_training_backend
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.cluster import is_chief, worker_addresses
from keras_convmixer.utils.commands import (
    STOPPED,
    command,
    one_line_errors,
    quiet_tensorflow,
)

# What may differ where a training goes on.
RESUME = (
    *("replicas", "workers", "cache"),
    *("image_folder", "test_folder", "data_dir"),
)
LOST = 1  # Exit status of a machine that others have left.


@one_line_errors()
def main(arguments=None):
    args = parse_arguments(arguments)
    # TensorFlow takes seconds to import: a mistake is answered before.
    check_training_backend()
    keep_freed_memory()
    if args.resume:
        run = RunFolder(args.resume)
        run.read_plan()
        quiet_tensorflow()
        with resumable(run, args.replicas):
            resume(run, **{name: getattr(args, name) for name in RESUME})
    else:
        with option_named(args):
            if args.dataset not in (None, "digits"):
                quiet_tensorflow()  # Which tensorflow-datasets imports.
            options = {**vars(args)}
            is_dry = options.pop("dry_run")
            plan = plan_of(**options)
            quiet_tensorflow()
            if is_dry:
                from keras_convmixer.training.dry_run import dry_run

                dry_run(plan, args.run)
                return
            from keras_convmixer.training.train import begin, finish

            training, run = begin(plan, args.run)
        with option_named(args), resumable(run):
            finish(training, run)
    if is_chief():
        print(f"next: {command('export', run.path)}")


def parse_arguments(arguments=None):
    parser = make_parser()
    args = parser.parse_args(arguments)
    if args.resume:
        check_resume_options(parser, args.resume, parser.options(arguments))
    return args


def check_resume_options(parser, run, options):
    """Refuses what a training that goes on has from its run folder."""
    flags = [f"--{name.replace('_', '-')}" for name in RESUME]
    others = [flag for flag in options if flag not in ("--resume", *flags)]
    if "--epochs" in others:
        parser.error(
            "--resume can't change --epochs, which the schedule of the "
            "learning rate depends on. To train further, start a new run from "
            "the weights of this one: "
            + command("train", "--weights", RunFolder(run).model_path)
        )
    if others:
        parser.error(
            f"--resume takes {', '.join(flags)} only: the run has all other "
            f"options. Received: {', '.join(others)}"
        )


@contextlib.contextmanager
def resumable(run, replicas=None):
    """Prints how to go on with a training that is stopped."""
    options = ["--resume", run.path]
    if replicas is not None:
        options += ["--replicas", replicas]
    try:
        yield
    except KeyboardInterrupt:
        print(f"stopped; to go on: {command('train', *options)}")
        sys.exit(STOPPED)
    except Exception as error:
        from keras_convmixer.training.devices import is_lost_machine
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
    """What to do where the memory of a GPU does not suffice."""
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
