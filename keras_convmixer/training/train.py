"""A training: data -> network -> `model.fit` -> run folder."""

import contextlib
import re
import time
from dataclasses import dataclass

import keras
import tensorflow as tf

from keras_convmixer.data.augmentation import Augmentation
from keras_convmixer.data.batches import (
    ONE_MACHINE,
    held_out_batches,
    steps_in_epoch,
    training_batches,
)
from keras_convmixer.data.image_data import ImageData
from keras_convmixer.features import freeze
from keras_convmixer.runs.plan import Plan
from keras_convmixer.runs.run_folder import RunFolder
from keras_convmixer.training.backup import Backup
from keras_convmixer.training.callbacks import callbacks_of, float32_copy
from keras_convmixer.training.compile import (
    compile_for_training,
    dtype_policy,
)
from keras_convmixer.training.devices import Devices, distribute
from keras_convmixer.training.gpus import precision_of
from keras_convmixer.training.summary import print_summary
from keras_convmixer.training.xla import black_batch, compile_ahead
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.cluster import is_chief
from keras_convmixer.utils.commands import newline_on_error
from keras_convmixer.utils.process_state import HeldStops

# What TensorFlow makes of an image that can't be decoded.
BROKEN_IMAGE = re.compile(
    "[^\n]*(can't be read as an image|(JPEG|PNG) (data|header))[^\n]*"
)


def begin(plan, path=None):
    """What comes before the first step: a `Training` and its `RunFolder`.

    If the plan can't be carried out, no folder is left.
    """
    training = prepare(plan, lambda: plan.source.load(plan.recipe.image_size))
    if is_chief():
        replicas = len(training.devices.names)
        run = RunFolder.new(path, plan, training.data, replicas)
    else:
        run = RunFolder(path)
    return training, run


def finish(training, run):
    """Trains and evaluates after `begin`; returns the `RunFolder`."""
    with run.in_use():
        fit_and_evaluate(training, run)
    return run


@dataclass
class Training:
    """What a plan becomes on this machine.

    Attributes:
        steps: Batches an epoch.
        model: The compiled model.
        plain: What is saved of it, from `float32_copy`.
    """

    plan: Plan
    devices: Devices
    data: ImageData
    steps: int
    model: keras.Model
    plain: keras.Model

    def batches(self, epoch=0, shard=ONE_MACHINE, step=0):
        """The training batches, from a step of an epoch on."""
        balanced = self.plan.class_weights == "balanced"
        return training_batches(
            self.data,
            self.plan.recipe.batch_size,
            self.steps,
            self.plan.seed,
            augmentation=Augmentation(self.plan.recipe),
            epoch=epoch,
            step=step,
            shard=shard,
            class_weights=self.data.balanced_weights() if balanced else None,
        )

    def held_out_batches(self, shard=ONE_MACHINE):
        """The held-out batches, of which each machine has its part."""
        size = self.plan.recipe.batch_size
        return held_out_batches(self.data, size, shard)


def prepare(plan, load):
    """A `Training`: all that can be wrong with a plan has been tried.

    `load` returns the plan's `ImageData`, once the devices are settled.
    """
    for name, needed in (
        ("image_data_format", "channels_last"),
        ("floatx", "float32"),
    ):
        if (value := getattr(keras.config, name)()) != needed:
            raise UserError(
                f"Keras' {name} must be {needed!r} to train. Received: "
                f"{value!r}"
            )
    recipe = plan.recipe
    # It must be settled before anything uses the devices.
    devices = distribute(
        plan.replicas,
        recipe.batch_size,
        recipe.accumulation,
        plan.xla,
        plan.deterministic,
    )
    keras.utils.set_random_seed(plan.seed)
    precision, _ = precision_of(plan.mixed_precision, devices.gpus)
    policy = f"mixed_{precision}" if precision else "float32"
    data = load()
    data.reading = plan.reading
    steps = steps_in_epoch(data, recipe.batch_size, plan.limit_steps)
    recompute = contextlib.nullcontext()
    if plan.rematerialize:
        devices.one_cpu = False  # Its own layers do not compute again.
        recompute = keras.RematScope("activations")
    with devices.scope(), dtype_policy(policy), recompute:
        # Of logits the loss has exact gradients, with any backend.
        model = recipe.build(
            len(data.classes), plan.weights, classifier_activation=None
        )
        if plan.freeze is not None:
            freeze(model, plan.freeze)
        with devices.apart():
            plain = float32_copy(model)
        model = devices.prepare(model)
        compile_for_training(
            model, recipe, recipe.epochs * steps, devices.jit_compile
        )
        devices.prepare_fit(model)
    return Training(plan, devices, data, steps, model, plain)


def fit_and_evaluate(training, run):
    """Trains to the end; evaluates on the machine that writes files."""
    # It imports what draws, which takes a second.
    from keras_convmixer.training.evaluation import evaluate

    try:
        with dtype_policy("float32"):  # Of what is not the trained model.
            fit(training, run)
            training.devices.part()
            if is_chief():
                with training.devices.apart():
                    evaluate(run, training.data, training.batches())
                run.remove_backups()
    except tf.errors.OpError as error:
        if broken := BROKEN_IMAGE.search(error.message):
            raise UserError(
                f"an image turned out to be broken: {broken[0]}"
            ) from error
        raise


def fit(training, run):
    """Trains from the run's last backup on, or from the beginning."""
    plan, model, devices = training.plan, training.model, training.devices
    stops = HeldStops()
    backup = Backup(run.backup_path, plan.backup_minutes, stops)
    with devices.scope():
        epoch, step = backup.restore(model)
    callbacks = callbacks_of(training, run, epoch, backup)
    if is_chief():
        print_summary(training, run)
        if step:
            print(f"goes on in epoch {epoch + 1} after step {step}")
    if devices.xla and keras.backend.backend() == "tensorflow":
        compile_step(training, epoch)
    with newline_on_error(), stops:
        if step:
            fit_epochs(training, callbacks, epoch, epoch + 1, step)
            epoch += 1
        if epoch < plan.recipe.epochs:
            fit_epochs(training, callbacks, epoch, plan.recipe.epochs)


def fit_epochs(training, callbacks, first, end, step=0):
    """Trains from a step of the first epoch on until the end of the others."""
    devices = training.devices
    training.model.fit(
        devices.data(lambda shard: training.batches(first, shard, step)),
        validation_data=devices.data(training.held_out_batches),
        initial_epoch=first,
        epochs=end,
        steps_per_epoch=training.steps - step,
        shuffle=False,  # The data set shuffles itself.
        callbacks=callbacks,
        verbose="auto" if is_chief() else 0,
    )


def compile_step(training, epoch):
    """Compiles the training step; says how long it took, or that it failed."""
    devices = training.devices
    batches = devices.data(
        lambda shard: black_batch(training.batches(epoch, shard))
    )
    start = time.monotonic()
    failure = compile_ahead(training.model, batches, devices.scope)
    if not is_chief():
        return
    if failure is None:
        seconds = time.monotonic() - start
        print(f"XLA compiled the training step in {seconds:.0f} s")
    else:
        print(
            "warning: XLA can't compile the training step, which is done "
            f"without: {' '.join(failure.message.split())[:300]}"
        )
