"""A training: data -> network -> `model.fit` -> run folder."""

import sys
from contextlib import nullcontext
from functools import partial

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import STOPPED

LOST = 1  # Exit status of a machine that others have left.


def train(plan, path, run=None):
    """Trains, evaluates and writes a run folder.

    Args:
        plan: A `Plan`.
        path: Where the new folder is to be; None for one in `runs/`.
        run: The `RunFolder` of a training that goes on, in place of a new one.
    """
    import keras
    import tensorflow as tf

    from keras_convmixer.data.batches import steps_in_epoch
    from keras_convmixer.features import freeze
    from keras_convmixer.training.callbacks import (
        Backup,
        callbacks_of,
        plain_copy,
    )
    from keras_convmixer.training.compile import compile_for_training
    from keras_convmixer.training.devices import distribute
    from keras_convmixer.training.evaluation import evaluate
    from keras_convmixer.training.run_folder import RunFolder
    from keras_convmixer.utils.files import sole_use

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
            backup = Backup(run.backup_path)
            with devices.scope():
                epoch = backup.restore(model)
            callbacks = callbacks_of(run, plan, plain, epoch, devices.is_chief)
            if devices.is_chief:
                print_plan(run, recipe, data, model, devices, steps)
                callbacks.append(backup)
            fit(model, plan, data, steps, epoch, callbacks, devices)
            if devices.is_chief:
                evaluate(run, data, batches_of(plan, data, steps))
                run.backup_path.unlink()
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
    from keras_convmixer.data.batches import held_out_batches

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
        raise UserError(
            f"{error} Try a lower --learning-rate. What the run folder holds "
            "is from before."
        ) from None


def batches_of(plan, data, steps, epoch=0, context=None):
    """The training batches of a plan, from an epoch on."""
    from keras_convmixer.data.augmentation import Augmentation
    from keras_convmixer.data.batches import training_batches

    return training_batches(
        *(data, plan.recipe.batch_size, steps, plan.seed),
        *(Augmentation(plan.recipe), epoch, context),
    )


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
