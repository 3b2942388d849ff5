"""Trains a ConvMixer: data -> network -> `model.fit` -> run folder.

python train.py                            bundled digits
python train.py --dataset cifar10          any tensorflow-datasets name
python train.py --image-folder photos/     photos/CLASS/*.jpg
python train.py --resume runs/digits       goes on after a stop
"""

import dataclasses
import sys
from argparse import BooleanOptionalAction
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from keras_convmixer.commands import (
    STOPPED,
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

LOST = 1  # Exit status of a machine that others have left.


def parse_arguments(arguments=None):
    parser = Parser(
        description="Trains a ConvMixer and writes a run folder.",
        epilog="The defaults are the data set's recipe, in "
        "keras_convmixer/recipes.py.",
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
        from keras_convmixer.run_folder import RunFolder

        # A mistake is answered before TensorFlow's seconds.
        run = RunFolder(args.resume) if args.resume else None
        plan = run.reopen() if run else new_plan(args)
        quiet_tensorflow()
        train(plan, args.run, run)


def train(plan, path, run=None):
    """Trains, evaluates and writes a run folder.

    Args:
        plan: A `Plan`.
        path: Where the new folder is to be; None for one in `runs/`.
        run: The `RunFolder` of a training that goes on, in place of a new one.
    """
    import keras
    import tensorflow as tf

    from keras_convmixer.batches import steps_in_epoch
    from keras_convmixer.devices import distribute
    from keras_convmixer.evaluation import evaluate
    from keras_convmixer.features import freeze
    from keras_convmixer.files import sole_use
    from keras_convmixer.run_folder import RunFolder
    from keras_convmixer.training import (
        Backup,
        callbacks_of,
        compile_for_training,
        plain_copy,
    )

    recipe = plan.recipe

    # On which devices; it must be settled before anything uses them.
    devices = distribute(plan.replicas, recipe.batch_size, recipe.accumulation)
    keras.utils.set_random_seed(plan.seed)
    if plan.mixed_precision:
        policy = f"mixed_{plan.mixed_precision}"
        keras.mixed_precision.set_dtype_policy(policy)

    data = run.data() if run else plan.source.load(recipe.image_size)
    steps = steps_in_epoch(data, recipe.batch_size, plan.limit_steps)
    with devices.scope():
        model = recipe.build(len(data.classes), plan.weights)
        if plan.freeze is not None:
            freeze(model, plan.freeze)
        plain = plain_copy(model)
        model = devices.prepare(model)
        compile_for_training(model, recipe, recipe.epochs * steps)
        devices.mend(model)

    if run is None and devices.is_chief:
        run = RunFolder.new(path, plan, data, len(devices.names))
    run = run or RunFolder(path)
    try:
        with sole_use(run.path) if devices.is_chief else nullcontext():
            if devices.is_chief:
                run.reopen()  # Another process may have finished it.
            backup = Backup(run.backup)
            with devices.scope():
                epoch = backup.restore(model)
            callbacks = callbacks_of(run, plan, plain, epoch, devices.is_chief)
            if devices.is_chief:
                print_plan(run, recipe, data, model, devices, steps)
                callbacks.append(backup)
            fit(model, plan, data, steps, epoch, callbacks, devices)
            if devices.is_chief:
                evaluate(run, data, batches_of(plan, data, steps))
                run.backup.unlink()
                print(f"next: python -m export {run.path}")
    except KeyboardInterrupt:
        print(f"\nstopped; to go on: python train.py --resume {run.path}")
        sys.exit(STOPPED)
    except tf.errors.OpError as error:
        if not devices.workers:
            raise
        print(
            f"\nlost a machine ({type(error).__name__}); to go on, start all "
            f"of them again: python train.py --resume {run.path}"
        )
        sys.exit(LOST)


def fit(model, plan, data, steps, epoch, callbacks, devices):
    """Trains from an epoch on."""
    from keras_convmixer.batches import held_out_batches

    size = plan.recipe.batch_size
    try:
        model.fit(
            devices.data(partial(batches_of, plan, data, steps, epoch)),
            # Every machine looks at all of the held-out images.
            validation_data=devices.data(
                lambda context: held_out_batches(data, size)
            ),
            initial_epoch=epoch,
            epochs=plan.recipe.epochs,
            steps_per_epoch=steps,
            shuffle=False,  # The data set shuffles itself.
            callbacks=callbacks,
            verbose="auto" if devices.is_chief else 0,
        )
    except RuntimeError as error:
        if "NaN" not in str(error):
            raise
        raise ValueError(
            f"{error} Try a lower --learning-rate. What the run folder holds "
            "is from before."
        ) from None


def batches_of(plan, data, steps, epoch=0, context=None):
    """The training batches of a plan, from an epoch on."""
    from keras_convmixer.augmentation import Augmentation
    from keras_convmixer.batches import training_batches

    return training_batches(
        *(data, plan.recipe.batch_size, steps, plan.seed),
        *(Augmentation(plan.recipe), epoch, context),
    )


def new_plan(args):
    """What to train, on what."""
    from keras_convmixer.data import Source
    from keras_convmixer.recipes import Recipe, recipe_for
    from keras_convmixer.run_folder import Plan, check_empty
    from keras_convmixer.variants import parse_variant
    from keras_convmixer.weights import find_file
    from keras_convmixer.workers import worker_addresses

    source = Source(
        *(args.dataset, args.data_dir, args.image_folder, args.seed),
        args.broken_images,
    )
    variant = args.model and parse_variant(args.model)
    workers = worker_addresses()
    if workers and not args.run:
        raise ValueError("several machines need --run, the same on each")
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


def print_plan(run, recipe, data, model, devices, steps):
    """What follows from the arguments, before the long part begins."""
    images = f"{data.num_train:,} training, {data.num_held_out:,} held out"
    size = recipe.image_size
    for name, value in {
        "data": f"{data.name}, {len(data.classes)} classes, {images}",
        "network": f"{recipe.dim}/{recipe.depth}, kernel {recipe.kernel_size}"
        f", patch {recipe.patch_size}, {size} x {size} pixels, "
        f"{model.count_params():,} parameters",
        "devices": ", ".join(devices.names),
        "replicas": devices.replicas,
        "global batch": recipe.batch_size,
        "steps an epoch": steps,
        "epochs": recipe.epochs,
        "run folder": run.path,
    }.items():
        print(f"{name:>14}  {value}")


if __name__ == "__main__":
    main()
