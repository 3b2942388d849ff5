"""The files that clients run, and the images that they are compared on."""

import subprocess
import sys

import numpy as np

from tests.processes import ROOT

IMAGES = 100
OPTIONS = {"digits": (), "relu": ("--activation", "relu")}
# Formats of each export, with its options.
EXPORTS = (
    ("saved_model", "float32", "float16", "dynamic", "int8", "int8_fast"),
    ("gpu", "onnx", "int8_qat"),
    ("int8", "--io", "int8"),
)
CIFAR10 = "cifar10"
CIFAR10_FORMATS = ("dynamic", "int8", "int8_fast")


def make_files(folder, data_dir=None):
    """Makes what is not there yet: the networks' files and their images.

    Args:
        folder: Where to: `NETWORK/export` and `NETWORK.npz`.
        data_dir: Where tensorflow-datasets keeps CIFAR-10; without it there
            are no files of the CIFAR-10 network.
    """
    for network, options in OPTIONS.items():
        run = folder / network
        if not (run / "model.keras").exists():
            run_python("train.py", "--run", run, *options)
        if not (run / "export").exists():
            for formats in EXPORTS:
                run_python("-m", "export", run, "--formats", *formats)
        if not (folder / f"{network}.npz").exists():
            save_digits(folder, network)
    if data_dir and not (folder / f"{CIFAR10}.npz").exists():
        make_cifar10(folder, data_dir)


def run_python(*arguments):
    command = [sys.executable, *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, check=True)


def save_digits(folder, network):
    import keras

    from keras_convmixer.data.image_data import as_arrays
    from keras_convmixer.data.source import Source

    images, _ = as_arrays(Source("digits").load(8).held_out, IMAGES)
    model = keras.saving.load_model(folder / network / "model.keras")
    save_images(folder, network, model, images)


def make_cifar10(folder, data_dir):
    """Exports the smaller CIFAR-10 network of the package."""
    from benchmarks.networks import shipped_cifar10
    from export import REPRESENTATIVE_IMAGES, export_tflite
    from keras_convmixer.data.image_data import as_arrays, sample

    model, data = shipped_cifar10(data_dir)
    verification = as_arrays(data.held_out, IMAGES)
    export = folder / CIFAR10 / "export"
    export.mkdir(parents=True, exist_ok=True)
    (export / "labels.txt").write_text("\n".join(data.classes))
    for format in CIFAR10_FORMATS:
        export_tflite(
            model,
            export / f"{CIFAR10}_{format}.tflite",
            format=format,
            labels=data.classes,
            representative_images=sample(data.train, REPRESENTATIVE_IMAGES),
            verification=verification,
        )
    save_images(folder, CIFAR10, model, verification[0])


def save_images(folder, network, model, images):
    """Keeps the images, with the classes that Keras predicts."""
    classes = model.predict(images, verbose=0).argmax(-1)
    np.savez(folder / f"{network}.npz", images=images, classes=classes)
