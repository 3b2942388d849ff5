"""One training of the study."""

import dataclasses
import math

import keras
from keras import layers

from benchmarks import rivals
from benchmarks.fit import fit
from benchmarks.study.changes import convmixer
from benchmarks.study.questions import RIVALS
from keras_convmixer.data.batches import held_out_batches, steps_in_epoch
from keras_convmixer.data.source import Source
from keras_convmixer.training.compile import compile_for_training
from keras_convmixer.training.devices import distribute
from keras_convmixer.training.recipes import RECIPES
from keras_convmixer.variants import parse_variant


def train(row, data_dir, folder):
    """Trains what a row says; goes on where an earlier call was stopped.

    All networks have the images, the steps, the augmentation and the
    optimiser of one recipe, as `convmixer train` has them.

    Args:
        row: A dict; see `benchmarks.study.run_study.described`.
        data_dir: Where tensorflow-datasets keeps its files, or None.
        folder: Keeps the state after every epoch, and in the end the model.

    Returns:
        What was measured: `parameters`, `multiply_adds` of an image, the
        accuracy `train_top1` of the last epoch on its augmented training
        images, `top1` on the held-out ones, both in per cent, and
        `images_a_second` of a processor, in the last epoch.
    """
    recipe, size = recipe_of(row), row["image_size"]
    devices = distribute(None, recipe.batch_size)
    keras.utils.set_random_seed(row["seed"])
    source = Source(dataset=row["dataset"], data_dir=data_dir)
    data = source.load(size)
    steps = steps_in_epoch(data, recipe.batch_size)
    with devices.scope():
        plain = build(row["network"], row["change"], size, len(data.classes))
        model = devices.prepare(plain)
        compile_for_training(
            model, recipe, recipe.epochs * steps, devices.jit_compile
        )
        if row["change"] == "no clipping":
            model.optimizer.global_clipnorm = None
    last = fit(model, devices, data, recipe, row["seed"], folder)
    held_out = held_out_batches(data, recipe.batch_size)
    scores = model.evaluate(held_out, return_dict=True, verbose=0)
    plain.set_weights(model.get_weights())
    plain.save(folder / "model.keras")
    return {
        "parameters": sum(
            math.prod(weight.shape) for weight in plain.trainable_weights
        ),
        "multiply_adds": multiply_adds(plain),
        "train_top1": round(100 * float(last["accuracy"]), 2),
        "top1": round(100 * scores["accuracy"], 2),
        "images_a_second": round(float(last["images_a_second"])),
    }


def recipe_of(row):
    """The `Recipe` of a row."""
    rand_augment = 0.0 if row["change"] == "no RandAugment" else None
    return RECIPES[row["recipe"]].replace(
        image_size=row["image_size"],
        epochs=row["epochs"],
        learning_rate=row["learning_rate"],
        rand_augment=rand_augment,
    )


def build(network, change, size, classes):
    """The model of a row."""
    if network in RIVALS:
        kind, arguments = RIVALS[network]
        build_rival = getattr(rivals, kind)
        return build_rival(**arguments, image_size=size, classes=classes)
    variant = dataclasses.replace(
        parse_variant(network), image_size=size, classes=classes
    )
    return convmixer(variant, change)


def multiply_adds(model):
    """Of one image: of each kernel at each place, and those of attention."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.MultiHeadAttention):
            places, width = layer.output.shape[1:]
            kernels = [w for w in layer.weights if w.name == "kernel"]
            total += places * sum(math.prod(w.shape) for w in kernels)
            # Of queries with keys, and of their shares with the values.
            total += 2 * places**2 * width
        elif hasattr(layer, "kernel"):
            places = math.prod(layer.output.shape[1:-1])
            total += places * math.prod(layer.kernel.shape)
    return total
