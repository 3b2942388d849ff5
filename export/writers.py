"""One function for each format that a model is exported in."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from keras_convmixer.data.batches import (
    held_out_batches,
    steps_in_epoch,
    training_batches,
)
from keras_convmixer.data.image_data import ImageData
from keras_convmixer.evaluation.keras_model import input_type, output_name
from keras_convmixer.inference import reparameterize

from .converter import device_model
from .formats import TABLE
from .int8.qat import convert_qat
from .metadata import add_metadata
from .tflite import convert


@dataclass
class TrainedModel:
    """A model, and what its files need besides.

    Attributes:
        model: The trained `keras.Model`.
        labels: Names of its classes, or None.
        description: What it is, for people.
        representative_images: Gives them, `[N, H, W, channels]`.
        normalization: As for `add_metadata`.
        io: As for `export.tflite.convert`.
        data: The `ImageData` that "int8_qat" is fine-tuned on; None where it
            is not known.
        batch_size: Images of a step of fine-tuning.
        epochs: How often fine-tuning goes through the training images.
    """

    model: keras.Model
    labels: list | None
    description: str
    representative_images: Callable[[], np.ndarray]
    normalization: tuple | None = (0, 1)
    io: str = "uint8"
    data: ImageData | None = None
    batch_size: int = 0
    epochs: int = 0


def write_servable(path, format, trained):
    """Writes the folder of the SavedModel."""
    write_saved_model(trained.model, path)


def write_saved_model(model, path):
    """Writes the model with the signature that the TFLite files have.

    `serving_default` takes `image`, uint8 `[batch, height, width, channels]`,
    and gives `probabilities`, float32 `[batch, classes]`. It is the only
    signature, since coremltools converts no SavedModel of several. TensorFlow
    loads it without Keras.
    """
    inference = reparameterize(model, TABLE["saved_model"].arrangement)
    serving = device_model(inference, input_type(model), output_name(model))
    image = serving.inputs[0]
    archive = keras.export.ExportArchive()
    archive.track_and_add_endpoint(
        "serving_default",
        serving,
        [keras.InputSpec(image.dtype, image.shape, name=image.name)],
    )
    archive.write_out(str(path), verbose=False)


def write_converted(path, format, trained):
    """Writes a TFLite file of the model as it is."""
    is_integer = TABLE[format].is_integer
    images = trained.representative_images() if is_integer else None
    contents = convert(trained.model, format, images, trained.io)
    write_described(path, contents, format, trained)


def write_fine_tuned(path, format, trained):
    """Writes a TFLite file of the model after fine-tuning.

    Returns:
        The quantisation-aware model that it was converted from.
    """
    data, size = trained.data, trained.batch_size
    steps = steps_in_epoch(data, size)
    contents, aware = convert_qat(
        trained.model,
        representative_images=trained.representative_images(),
        # Not augmented: the ranges are those of images as they are.
        batches=training_batches(data, size, steps, seed=0),
        steps=steps,
        held_out=held_out_batches(data, size),
        epochs=trained.epochs,
        io=trained.io,
    )
    write_described(path, contents, format, trained)
    return aware


def write_onnx(path, format, trained):
    """Writes the file for ONNX Runtime."""
    from .onnx_file import onnx_file  # Its packages are an extra.

    contents = onnx_file(
        trained.model, trained.labels, f"{trained.description}, {format}"
    )
    path.write_bytes(contents)


def write_described(path, contents, format, trained, threshold=None):
    """Writes a TFLite file with its metadata, as `add_metadata` does."""
    contents = add_metadata(
        contents,
        name=path.stem,
        description=f"{trained.description}, {format}",
        labels=trained.labels,
        threshold=threshold,
        normalization=trained.normalization,
    )
    path.write_bytes(contents)
