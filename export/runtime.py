"""Exported files as functions, whatever their numbers inside."""

import os

import numpy as np

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import silent_libraries


class TFLiteFile:
    """A TFLite file, from pixels to probabilities.

    Args:
        path: The file.
        threads: How many it runs with; None for all cores.

    Attributes:
        image_size: `(height, width)` of its images in pixels.
        classes: Their number.

    Raises:
        ValueError: If it is not a file that `export` writes.
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
        self.output = self.runner.get_output_details().get("probabilities")
        found = [d["dtype"] for d in (image, self.output) if d]
        if found not in ([np.uint8, np.float32], [np.int8, np.int8]):
            raise UserError(
                f"{path} must take uint8 `image` and give float32 "
                f"`probabilities`, or both int8. Found: {found}"
            )
        self.is_integer = image["dtype"] == np.int8
        self.image_size = tuple(image["shape"][1:3].tolist())
        self.classes = int(self.output["shape"][-1])

    def __call__(self, image):
        """Probabilities float32 `[1, classes]` of uint8 `[1, H, W, 3]`."""
        if self.is_integer:
            image = np.int8(np.int16(image) - 128)
        values = self.runner(image=image)["probabilities"]
        if self.is_integer:
            scale, zero_point = self.output["quantization"]
            values = scale * (np.float32(values) - zero_point)
        return values

    def operators(self):
        """Names of what is run, in order; "DELEGATE" for each partition.

        Operators that a delegate runs are named as well.
        """
        details = self.interpreter._get_ops_details()
        return [row["op_name"] for row in details]


def saved_model(path):
    """The same function for a SavedModel."""
    import tensorflow as tf

    model = tf.saved_model.load(str(path))
    serve = model.signatures["serving_default"]
    return lambda image: serve(image=tf.constant(image))["probabilities"]
