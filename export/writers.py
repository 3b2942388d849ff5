"""One function for each format that a run is exported in."""

from dataclasses import dataclass
from functools import cached_property

import keras

from keras_convmixer.data.batches import (
    held_out_batches,
    steps_in_epoch,
    training_batches,
)
from keras_convmixer.data.image_data import ImageData, sample
from keras_convmixer.evaluation.keras_model import input_type, output_name
from keras_convmixer.inference import reparameterize
from keras_convmixer.runs.recipe import Recipe

from .formats import TABLE
from .int8.qat import convert_qat
from .interface import device_model
from .metadata import add_metadata
from .tflite import convert

REPRESENTATIVE_IMAGES = 200


@dataclass
class Training:
    """What was trained, on what, and how its files shall be.

    Attributes:
        model: The trained `keras.Model`.
        recipe: The `Recipe` it was trained with.
        data: The `ImageData` it was trained on.
        epochs: How long "int8_qat" is fine-tuned.
        io: As for `export.tflite.convert`.
    """

    model: keras.Model
    recipe: Recipe
    data: ImageData
    epochs: int
    io: str

    @cached_property
    def representative_images(self):
        return sample(self.data.train, REPRESENTATIVE_IMAGES)


def write_servable(path, format, training):
    """Writes the folder of the SavedModel."""
    write_saved_model(training.model, path)


def write_saved_model(model, path):
    """Writes the model with the signature that the TFLite files have.

    `serving_default` takes `image`, uint8 `[batch, height, width, channels]`,
    and gives `probabilities`, float32 `[batch, classes]`. It is the only
    signature, since coremltools converts no SavedModel of several. TensorFlow
    loads it without Keras.

    Args:
        model: A model that `ConvMixer` built, or one that has it inside.
        path: The folder to write.
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


def write_converted(path, format, training):
    """Writes a TFLite file of the model as it is."""
    is_integer = TABLE[format].is_integer
    images = training.representative_images if is_integer else None
    contents = convert(training.model, format, images, training.io)
    write_described(path, contents, format, training)


def write_fine_tuned(path, format, training):
    """Writes a TFLite file of the model after fine-tuning.

    Returns:
        The quantisation-aware model that it was converted from.
    """
    data, size = training.data, training.recipe.batch_size
    steps = steps_in_epoch(data, size)
    contents, aware = convert_qat(
        training.model,
        representative_images=training.representative_images,
        # Not augmented: the ranges are those of images as they are.
        batches=training_batches(data, size, steps, seed=0),
        steps=steps,
        held_out=held_out_batches(data, size),
        epochs=training.epochs,
        io=training.io,
    )
    write_described(path, contents, format, training)
    return aware


def write_onnx(path, format, training):
    """Writes the file for ONNX Runtime."""
    from .onnx_file import onnx_file  # Its packages are an extra.

    contents = onnx_file(
        training.model, training.data.classes, description(format, training)
    )
    path.write_bytes(contents)


def write_described(path, contents, format, training, threshold=None):
    """Writes a TFLite file with its metadata, as `add_metadata` does."""
    contents = add_metadata(
        contents,
        name=path.stem,
        description=description(format, training),
        labels=training.data.classes,
        threshold=threshold,
    )
    path.write_bytes(contents)


def description(format, training):
    """What a file says of itself."""
    recipe = training.recipe
    return (
        f"ConvMixer-{recipe.dim}/{recipe.depth}, trained on "
        f"{training.data.name}, {format}"
    )
