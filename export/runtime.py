"""Exported files as functions, whatever their numbers inside."""

import os
import time

import numpy as np

from keras_convmixer.compat import operators_of
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import silent_libraries

INTERFACES = (
    [np.uint8, np.float32],
    [np.float32, np.float32],
    [np.int8, np.int8],
)


class TFLiteFile:
    """A TFLite file as a function of one image.

    Args:
        path: The file.
        threads: How many it runs with; None for all cores.

    Attributes:
        image_type: What it is called with: "uint8" pixels, also of a file
            that takes int8, or "float32".
        image_size: `(height, width)` of its images in pixels.
        channels: Of its images.
        output_name: "probabilities", "logits" or "features".
        classes: Their number.

    Raises:
        ValueError: If it is not a file that `export` writes.

    Example:
        file = TFLiteFile("digits_int8.tflite")
        probabilities = file(image[None])
    """

    def __init__(self, path, threads=None):
        from ai_edge_litert.interpreter import Interpreter

        try:
            with silent_libraries():
                self.interpreter = Interpreter(
                    str(path), num_threads=threads or os.cpu_count()
                )
                self.interpreter.allocate_tensors()
                self.runner = self.interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{path} can't be run: {error}") from None
        image = self.runner.get_input_details().get("image")
        outputs = self.runner.get_output_details()
        found = [d["dtype"] for d in (image, *outputs.values()) if d]
        is_known = image and len(image["shape"]) == 4 and found in INTERFACES
        if not is_known:
            raise UserError(
                f"{path} must take `image`, uint8 or float32, and give one "
                f"float32 output, or both int8. Found: {found}"
            )
        ((self.output_name, self.output),) = outputs.items()
        self.is_integer = image["dtype"] == np.int8
        self.image_type = "float32" if found[0] == np.float32 else "uint8"
        _, *self.image_size, self.channels = image["shape"].tolist()
        self.image_size = tuple(self.image_size)
        self.classes = int(self.output["shape"][-1])

    def __call__(self, image):
        """Outputs float32 `[1, classes]` of `[1, H, W, channels]`.

        A file for GPUs, which takes float32, may be given the same pixels.
        """
        if self.is_integer:
            image = np.int8(np.int16(image) - 128)
        elif self.image_type == "float32":
            image = np.float32(image)
        values = self.runner(image=image)[self.output_name]
        if self.is_integer:
            scale, zero_point = self.output["quantization"]
            values = scale * (np.float32(values) - zero_point)
        return values

    def operators(self):
        """Names of what is run, in order; "DELEGATE" for each partition.

        Operators that a delegate runs are named as well.
        """
        return [row["op_name"] for row in operators_of(self.interpreter)]


class SavedModel:
    """The same for a SavedModel, which takes several images at a time.

    Args:
        path: Its folder.

    Attributes:
        image_type, image_size, channels, output_name, classes: As above.
    """

    def __init__(self, path):
        import tensorflow as tf

        try:
            self.model = tf.saved_model.load(str(path))
            self.serve = self.model.signatures["serving_default"]
            _, inputs = self.serve.structured_input_signature
            (image,) = inputs.values()
            ((self.output_name, output),) = (
                self.serve.structured_outputs.items()
            )
            _, *self.image_size, self.channels = image.shape.as_list()
        except (OSError, KeyError, ValueError) as error:
            raise UserError(
                f"{path} is not a SavedModel of `export`: {error}"
            ) from None
        self.image_type = image.dtype.name
        self.image_size = tuple(self.image_size)
        self.classes = output.shape[-1]

    def __call__(self, images):
        """Outputs float32 `[N, classes]` of `[N, H, W, channels]`."""
        import tensorflow as tf

        return self.serve(image=tf.constant(images))[self.output_name].numpy()


class OnnxFile:
    """The same for an ONNX file, run by ONNX Runtime.

    Args:
        path: The file.
        threads: How many it runs with; None for all cores.

    Attributes:
        image_type, image_size, channels, output_name, classes: As above.
        labels: Names of the classes; empty where it has none.
    """

    def __init__(self, path, threads=None):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count()
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            ((image,), (output,)) = (
                self.session.get_inputs(),
                self.session.get_outputs(),
            )
            _, *self.image_size, self.channels = image.shape
        # For a file that is none it has errors of several kinds.
        except Exception as error:
            raise UserError(f"{path} can't be run: {error}") from None
        types = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}
        self.image_type = types.get(image.type, image.type)
        self.image_size = tuple(self.image_size)
        self.output_name = output.name
        self.classes = output.shape[-1]
        properties = self.session.get_modelmeta().custom_metadata_map
        self.labels = properties.get("labels", "").splitlines()

    def __call__(self, images):
        """Outputs float32 `[N, classes]` of `[N, H, W, channels]`."""
        (outputs,) = self.session.run(None, {"image": images})
        return outputs


def timings(run, image, seconds):
    """Milliseconds of each of some runs, one after the other.

    Args:
        run: A function of an image.
        image: The image.
        seconds: How long to go on, about; five runs are the least.

    Returns:
        A list of float.
    """
    run(image)  # The first call allocates.
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run(image)
        times.append(1000 * (time.perf_counter() - start))
    return times
