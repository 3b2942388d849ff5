"""Any trained model or exported file as one function of images."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from keras_convmixer.data.crop import center_crop
from keras_convmixer.data.decode import read_image
from keras_convmixer.evaluation.runtime import (
    Model,
    OnnxFile,
    SavedModel,
    TFLiteFile,
)
from keras_convmixer.utils.checks import UserError, check_positive
from keras_convmixer.utils.extras import check_onnx
from keras_convmixer.utils.labels import label_names, labels_beside
from keras_convmixer.utils.text import normalize_class
from keras_convmixer.utils.types import Labels, StrPath

if TYPE_CHECKING:
    import keras

SUFFIXES = (".tflite", ".onnx", ".keras")


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of an image.

    Attributes:
        label: The name of the most probable class.
        probability: Its probability.
        probabilities: Those of all classes, float32 `[classes]`.
        is_sure: Whether it reaches the threshold of the file, if that has one.
    """

    label: str
    probability: float
    probabilities: np.ndarray
    is_sure: bool = True


def load(
    path: StrPath,
    labels: Labels | None = None,
    threads: int | None = None,
) -> "Classifier":
    """A trained model or an exported file, ready to classify photos.

    Args:
        path: A `.tflite` or `.onnx` file or a SavedModel that `export` wrote,
            the folder of a training, or a `.keras` file.
        labels: Names of the classes, in the order of the output, or
            `{name: index}`; None for those in the file, in the run folder, or
            in the `labels.txt` beside.
        threads: How many each call of a TFLite or ONNX file runs with; None
            for all cores.

    Returns:
        A `Classifier`, whose `predict` takes paths and arrays.

    Raises:
        UserError: A `ValueError`, as of `Classifier`.

    Example:
        classifier = load("digits_int8.tflite")
        for prediction in classifier.predict(["photo.jpg"]):
            print(f"{prediction.label} {prediction.probability:.0%}")
    """
    return Classifier(path, labels, threads)


class Classifier:
    """What names the classes of images, whatever it is stored as.

    It may be called from several threads at a time; of other processes each
    makes its own.

    Args:
        path, labels, threads: As for `load`.

    Attributes:
        path: As given.
        size: The side of its images in pixels.
        labels: Names of the classes, a list of `str`. One output is the
            probability of class 1: class 0 then has the name "not NAME".
        has_one_output: Whether it is so.
        is_multi_label: Whether its outputs are labels of which an image may
            have any number, and not classes.
        threshold: The probability below which the file is not sure, or None.
        model: The `keras.Model`, which has class maps; None of a file.

    Raises:
        UserError: If it is something else, its images are not square pixels,
            or there is not one label for each output.

    Example:
        classifier = Classifier("digits_int8.tflite")
        probabilities = classifier(images)
        print(classifier.labels[probabilities[0].argmax()])
    """

    def __init__(
        self,
        path: StrPath,
        labels: Labels | None = None,
        threads: int | None = None,
    ) -> None:
        self.path = check_path(path)
        if threads is not None:
            check_positive(threads=threads)
        self.run: Model
        self.model: keras.Model | None = None
        self.threshold: float | None = None
        self.normalization: tuple[np.ndarray, np.ndarray] | None = None
        names = label_names(labels)
        if self.path.suffix == ".tflite":
            from keras_convmixer.evaluation import metadata_schema

            self.run = TFLiteFile(self.path, threads)
            names = names or metadata_schema.read_labels(self.path)
            self.threshold = metadata_schema.read_threshold(self.path)
            self.normalization = metadata_schema.read_normalization(self.path)
        elif self.path.suffix == ".onnx":
            check_onnx(self.path)
            self.run = OnnxFile(self.path, threads)
            names = names or self.run.labels or labels_beside(self.path)
        elif is_saved_model(self.path):
            self.run = SavedModel(self.path)
            names = names or labels_beside(self.path)
        else:
            from keras_convmixer.evaluation.keras_model import KerasModel

            self.model, found = read_keras(self.path, names)
            self.run = KerasModel(self.model)
            names = names or found
        self.size = self.side()
        self.has_one_output = self.run.classes == 1
        self.is_multi_label = self.run.is_sigmoid and self.run.classes > 1
        if len(names) != self.run.classes:
            raise UserError(
                f"{self.path} has {self.run.classes} classes and "
                f"{len(names)} labels"
            )
        if self.has_one_output:
            names = [f"not {names[0]}", *names]
        self.labels: list[str] = [normalize_class(name) for name in names]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 `[N, classes]` of uint8 `[N, size, size, 3]`.

        Those of one output are of class 0 and class 1.

        Raises:
            UserError: If the images are of another type or shape.
        """
        images = np.asarray(images)
        side = self.size
        are_squares = images.size and images.shape[1:] == (side, side, 3)
        if images.dtype != np.uint8 or not are_squares:
            raise UserError(
                f"images must be uint8 (N, {side}, {side}, 3), at least one. "
                f"Received: {images.dtype} {images.shape}"
            )
        if self.normalization is not None and self.run.image_type == "float32":
            mean, std = self.normalization
            images = (images - mean) / std
        step = self.run.batch_size
        starts = range(0, len(images), step)
        outputs = np.concatenate(
            [self.run(images[start : start + step]) for start in starts]
        )
        are_logits = self.run.output_name == "logits"
        if self.has_one_output:
            other = 0 * outputs if are_logits else 1 - outputs
            outputs = np.concatenate([other, outputs], axis=-1)
        if are_logits:
            from scipy.special import softmax  # Only these wait for scipy.

            return softmax(outputs, axis=-1)
        return outputs

    def predict(
        self, images: Iterable[StrPath | ArrayLike]
    ) -> list[Prediction]:
        """Names what photos show.

        Args:
            images: Paths of images, or RGB arrays `[height, width, 3]` of any
                size with values from 0 to 255.

        Returns:
            A `Prediction` for each.

        Raises:
            UserError: If one of them is no image, or they are a single path.
        """
        if isinstance(images, str | os.PathLike):
            raise UserError(f"images must be a list. Received: {images!r}")
        predictions = []
        for image in images:
            (probabilities,) = self(self.square(image)[None])
            index = int(probabilities.argmax())
            probability = float(probabilities[index])
            predictions.append(
                Prediction(
                    label=self.labels[index],
                    probability=probability,
                    probabilities=probabilities,
                    is_sure=probability >= (self.threshold or 0),
                )
            )
        return predictions

    def square(self, image: StrPath | ArrayLike) -> np.ndarray:
        """What it sees of a photo of `predict`: uint8 `[size, size, 3]`."""
        if isinstance(image, str | os.PathLike):
            image = read_image(image)
        image = center_crop(image, self.size)
        return np.repeat(image, 3 // image.shape[-1], -1)

    def side(self) -> int:
        """The side of its images, which must come from pixels."""
        run = self.run
        has_pixels = run.image_type == "uint8" or self.normalization is not None
        if not has_pixels or run.output_name == "features":
            raise UserError(
                f"{self.path} must take pixels and give probabilities or "
                f"logits. Found: {run.image_type} and {run.output_name}"
            )
        height, width = run.image_size
        if height is None or height != width or run.channels != 3:
            raise UserError(
                f"{self.path} must take square images in RGB. Found: "
                f"{(height, width, run.channels)}"
            )
        return height


def check_path(path: StrPath) -> Path:
    """A `Path` of what can be a classifier, by its name alone.

    Raises:
        UserError: If there is no such file, or it is of another kind.
    """
    path = Path(path)
    known = path.is_file() and path.suffix in SUFFIXES
    if not (known or path.is_dir()):
        raise UserError(
            f"FILE must be a file that ends in {' or '.join(SUFFIXES)}, a "
            f"SavedModel or a run folder. Received: {path}"
        )
    return path


def needs_tensorflow(path: Path) -> bool:
    """Whether what `check_path` took is run by TensorFlow or Keras."""
    return path.suffix not in (".tflite", ".onnx")


def is_saved_model(path: Path) -> bool:
    return (path / "saved_model.pb").is_file()


def has_class_maps(path: Path) -> bool:
    """Whether it is a Keras model, whose feature maps can be looked at."""
    return path.suffix == ".keras" or (
        path.is_dir() and not is_saved_model(path)
    )


def read_keras(
    path: Path, labels: list[str] | None
) -> tuple["keras.Model", list[str]]:
    """The `keras.Model` of a run folder or of a file, and its labels.

    That of a run folder is built as the run says, and only weights come from
    the file; a model of one's own is built as Keras does, which runs no code
    of the file's.
    """
    from keras_convmixer.runs.run_folder import RunFolder

    run = RunFolder(path if path.is_dir() else path.parent)
    if path.is_dir():
        return run.trained_model(), run.read_config().classes
    if run.config_path.is_file():
        return run.trained_model(path), run.read_config().classes
    labels = labels or labels_beside(path)
    import keras

    # For a file that is none it has an error of nearly every kind.
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise UserError(
            f"{path} is not a Keras model that can be read: {error}"
        ) from error
    return model, labels
