"""Trains and exports one network for `benchmarks.alternatives`."""

import dataclasses
import math
from pathlib import Path

import keras
from ai_edge_litert.interpreter import Interpreter

from benchmarks.accuracy import stock_run
from benchmarks.alternatives import FORMATS
from benchmarks.fit import fit
from benchmarks.stock import convert_stock
from export import REPRESENTATIVE_IMAGES, export_tflite
from export.benchmark import left_by_gpu
from export.reference import Reference
from export.verify import compare
from keras_convmixer.data.batches import steps_in_epoch
from keras_convmixer.data.image_data import as_arrays, sample
from keras_convmixer.data.index import TEST, UNREADABLE
from keras_convmixer.data.source import Source
from keras_convmixer.evaluation.predictions import predict
from keras_convmixer.training.compile import compile_for_training
from keras_convmixer.training.devices import distribute
from keras_convmixer.variants import parse_variant

# ConvMixer's. With MobileNetV3's 0.999 a norm would still hold much of its
# initial statistics after the thousand steps of a short training.
NORM_MOMENTUM = 0.9


def train_and_export(network, recipe, folder, minutes, step_seconds, work):
    """Trains a network, exports it, and evaluates both on the test part.

    Args:
        network: A name in `keras.applications`, or a ConvMixer's numbers.
        recipe: The `Recipe`, whose epochs follow from the time.
        folder: Of the images.
        minutes: Of training steps.
        step_seconds: Time of one step.
        work: Folder of the checkpoint and of the exported files.

    Returns:
        The columns of the CSV, a dict; accuracies are in percent.
    """
    data = load(folder, recipe.image_size)
    steps = steps_in_epoch(data, recipe.batch_size)
    epochs = max(1, int(60 * minutes / (steps * step_seconds)))
    recipe = recipe.replace(epochs=epochs)
    model, last = train(network, recipe, data, steps, work)
    reference = Reference.of_arrays(model, *as_arrays(data.test))
    export = export_stock if is_in_keras(network) else export_ours
    gpu_file = export(model, data, work)
    int8 = work / "int8.tflite"
    int8_top1 = compare(int8, "int8", stock_run(int8), reference).top1
    sizes = {
        f"{format}_bytes": (work / f"{format}.tflite").stat().st_size
        for format in FORMATS
    }
    return {
        "images": len(reference),
        "parameters": sum(
            math.prod(weight.shape) for weight in model.trainable_weights
        ),
        "step_ms": round(1000 * step_seconds, 1),
        "epochs": epochs,
        "train_top1": percent(float(last["accuracy"])),
        "held_out_top1": percent(predict(model, data.held_out).top1),
        "top1": percent(reference.top1(reference.outputs)),
        "int8_top1": percent(int8_top1),
        **sizes,
        "gpu": left_by_gpu(gpu_file, Interpreter(str(gpu_file))),
        **{f"{format}_ms": None for format in FORMATS},
        **{f"{format}_arm_instructions": None for format in FORMATS},
    }


def load(folder, size):
    """The images of a folder, with a test part.

    Where the folder has none it is the images with the last fifth of all file
    names: cameras number photographs, so that most series are in one part.
    """
    source = Source(image_folder=str(folder))
    data = source.load(size)
    if data.test is not None:
        return data
    names = sorted(Path(row.file).name for row in data.index)
    first = names[len(names) * 4 // 5]
    index = [
        dataclasses.replace(row, part=TEST)
        if row.part != UNREADABLE and Path(row.file).name >= first
        else row
        for row in data.index
    ]
    return source.load(size, index)


def train(network, recipe, data, steps, work):
    """Trains a network, or continues.

    Returns:
        `(model, last)`: the trained model with probabilities, and the last
        row of its history.
    """
    devices = distribute(None, recipe.batch_size)
    keras.utils.set_random_seed(0)
    classes = len(data.classes)
    trained = compiled(network, recipe, classes, devices, recipe.epochs * steps)
    last = fit(trained, devices, data, recipe, seed=0, folder=work)
    model = build(network, recipe, classes, classifier_activation="softmax")
    model.set_weights(trained.get_weights())
    return model, last


def compiled(network, recipe, classes, devices, total_steps):
    """A network with random weights and logits, compiled to be trained."""
    with devices.scope():
        model = build(network, recipe, classes, classifier_activation=None)
        if not is_in_keras(network):
            model = devices.prepare(model)
        compile_for_training(model, recipe, total_steps, devices.jit_compile)
    return model


def build(network, recipe, classes, classifier_activation):
    """The network with random weights; it takes pixels."""
    if not is_in_keras(network):
        recipe = recipe.with_variant(parse_variant(network))
        return recipe.build(
            classes, classifier_activation=classifier_activation
        )
    model = getattr(keras.applications, network)(
        input_shape=(recipe.image_size, recipe.image_size, 3),
        weights=None,
        classes=classes,
        classifier_activation=classifier_activation,
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = NORM_MOMENTUM
    return model


def is_in_keras(network):
    return hasattr(keras.applications, network)


def export_ours(model, data, folder):
    """Exports a ConvMixer by this package; returns the file for GPUs."""
    paths = {
        format: folder / f"{format}.tflite" for format in (*FORMATS, "gpu")
    }
    for format, path in paths.items():
        export_tflite(
            model,
            path,
            format=format,
            labels=data.classes,
            representative_images=sample(data.train, REPRESENTATIVE_IMAGES),
            min_agreement=0,  # What is lost is what is measured.
        )
    return paths["gpu"]


def export_stock(model, data, folder):
    """The same of a network of Keras, by Keras' own export."""
    images = sample(data.train, REPRESENTATIVE_IMAGES)
    paths = {format: folder / f"{format}.tflite" for format in FORMATS}
    for format, path in paths.items():
        path.write_bytes(convert_stock(model, format, images))
    return paths["float32"]


def percent(share):
    return round(100 * share, 2)
