"""One interface for all that can be run: exported files and Keras models.

All of them may be called from several threads at a time, and timed.
"""

import contextlib
import queue
import tempfile
import time
from pathlib import Path
from typing import Protocol

import numpy as np

from keras_convmixer.compat import operators_of
from keras_convmixer.evaluation.output_kind import OutputKind
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import silent_libraries
from keras_convmixer.utils.processors import num_cpus

INTERFACES = (
    [np.uint8, np.float32],
    [np.float32, np.float32],
    [np.int8, np.int8],
)
# They compute nothing, after the last activation of a TFLite file and of a
# SavedModel.
CONVERSIONS = ("DEQUANTIZE", "QUANTIZE", "CAST", "RESHAPE")
PATTERN = frozenset("*?[]\\")
COPIES = ("Identity", "Cast", "Reshape")
TIMED_SECONDS = 0.2


class Model(Protocol):
    """A function of images, whatever it is stored as.

    `TFLiteFile`, `SavedModel`, `OnnxFile` and `keras_model.KerasModel` are
    such functions.

    Attributes:
        image_type: What it is called with: "uint8" pixels, also of a file
            that takes int8, or "float32".
        image_size: `(height, width)` of its images in pixels.
        channels: Of its images.
        output_name: "probabilities", "logits" or "features".
        is_sigmoid: Whether each output is an independent probability.
        classes: Their number.
        batch_size: How many images it is best called with.
    """

    image_type: str
    image_size: tuple[int | None, int | None]
    channels: int
    output_name: str
    is_sigmoid: bool
    classes: int
    batch_size: int

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Outputs float32 `[N, classes]` of `[N, H, W, channels]`."""


class TFLiteFile(Model):
    """A TFLite file as a function of one image.

    An interpreter runs one image at a time, so there is one for each call at
    the same moment, made when first needed and kept, as many as there are
    cores; further calls wait. They share the file's pages in memory. One that
    is used in several processes is made in each of them.

    Args:
        path: The file.
        threads: How many each call runs with; None for all cores. A server
            that calls from several threads is fastest with 1.

    Raises:
        UserError: If it is not a file that `export` writes.

    Example:
        file = TFLiteFile("digits_int8.tflite")
        probabilities = file(image[None])
    """

    batch_size = 1

    def __init__(self, path, threads=None):
        self.path, self.threads = path, threads or num_cpus()
        try:
            with silent_libraries():
                interpreter = self.load()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{path} can't be run: {error}") from None
        # None stands for one that is not made yet: those are taken last.
        self.idle = queue.LifoQueue()
        for place in [*[None] * (num_cpus() - 1), interpreter]:
            self.idle.put(place)
        runner = interpreter.get_signature_runner()
        image = runner.get_input_details().get("image")
        outputs = runner.get_output_details()
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
        _, height, width, self.channels = image["shape"].tolist()
        self.image_size = height, width
        self.classes = int(self.output["shape"][-1])
        last = last_operator(interpreter, self.output)
        self.is_sigmoid = last == "LOGISTIC"

    def load(self):
        """An interpreter of the file, ready to run."""
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(self.path), num_threads=self.threads)
        interpreter.allocate_tensors()
        interpreter.get_signature_runner()
        return interpreter

    @contextlib.contextmanager
    def interpreter(self):
        """An interpreter that nobody else uses meanwhile."""
        interpreter = self.idle.get()
        try:
            interpreter = interpreter or self.load()
            yield interpreter
        finally:
            self.idle.put(interpreter)

    def __call__(self, image):
        """Outputs float32 `[1, classes]` of `[1, H, W, channels]`.

        A file for GPUs, which takes float32, may be given the same pixels.
        """
        if self.is_integer:
            image = np.int8(np.int16(image) - 128)
        elif self.image_type == "float32":
            image = np.float32(image)
        with self.interpreter() as interpreter:
            run = interpreter.get_signature_runner()
            values = run(image=image)[self.output_name]
        if self.is_integer:
            scale, zero_point = self.output["quantization"]
            values = scale * (np.float32(values) - zero_point)
        return values

    def operators(self):
        """Names of what is run, in order; "DELEGATE" for each partition.

        Operators that a delegate runs are named as well.
        """
        with self.interpreter() as interpreter:
            return [row["op_name"] for row in operators_of(interpreter)]


def last_operator(interpreter, output):
    """The operator that computes an output, but for conversions of it."""
    makers = {
        tensor: operator
        for operator in operators_of(interpreter)
        if operator["op_name"] != "DELEGATE"
        for tensor in operator["outputs"]
    }
    operator = makers[output["index"]]
    while operator["op_name"] in CONVERSIONS:
        operator = makers[operator["inputs"][0]]
    return operator["op_name"]


class SavedModel(Model):
    """A SavedModel, which takes several images at a time."""

    batch_size = 64

    def __init__(self, path):
        try:
            self.model = load_saved_model(path)
            self.serve = self.model.signatures["serving_default"]
            _, inputs = self.serve.structured_input_signature
            (image,) = inputs.values()
            ((self.output_name, output),) = (
                self.serve.structured_outputs.items()
            )
            _, height, width, self.channels = image.shape.as_list()
        except (OSError, KeyError, ValueError) as error:
            raise UserError(
                f"{path} is not a SavedModel of `export`: {error}"
            ) from None
        self.image_type = image.dtype.name
        self.image_size = height, width
        self.classes = output.shape[-1]
        self.is_sigmoid = last_operation(self.serve) == "Sigmoid"

    def __call__(self, images):
        import tensorflow as tf

        return self.serve(image=tf.constant(images))[self.output_name].numpy()


def load_saved_model(path):
    """`tf.saved_model.load` of a path that may have characters of a pattern.

    TensorFlow looks for the variables by a pattern that begins with the path.
    A link without such characters takes its place.
    """
    import tensorflow as tf

    if PATTERN.isdisjoint(str(path)):
        return tf.saved_model.load(str(path))
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "saved_model")
        link.symlink_to(Path(path).resolve(), target_is_directory=True)
        return tf.saved_model.load(str(link))


def last_operation(serve):
    """The operation that computes a SavedModel's output, but for copies."""
    graph = serve.graph.as_graph_def()
    functions = {f.signature.name: f for f in graph.library.function}
    nodes = {node.name: node for node in graph.node}
    node = nodes[serve.outputs[0].op.name]
    while node.op in COPIES or "f" in node.attr:
        name = node.input[0]
        if "f" in node.attr:  # A call.
            function = functions[node.attr["f"].func.name]
            nodes = {node.name: node for node in function.node_def}
            (name,) = function.ret.values()
        node = nodes[name.split(":")[0]]
    return node.op


class OnnxFile(Model):
    """An ONNX file, run by ONNX Runtime with `threads`; None for all cores.

    Attributes:
        labels: Names of the classes; empty where it has none.
    """

    batch_size = 1

    def __init__(self, path, threads=None):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or num_cpus()
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            (image,) = self.session.get_inputs()
            (output,) = self.session.get_outputs()
            _, height, width, self.channels = image.shape
        # For a file that is none it has errors of several kinds.
        except Exception as error:
            raise UserError(f"{path} can't be run: {error}") from None
        types = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}
        self.image_type = types.get(image.type, image.type)
        self.image_size = height, width
        self.output_name = output.name
        self.classes = output.shape[-1]
        properties = self.session.get_modelmeta().custom_metadata_map
        self.labels = properties.get("labels", "").splitlines()
        self.is_sigmoid = properties.get("kind") == OutputKind.LABELS.value

    def __call__(self, images):
        (outputs,) = self.session.run(None, {"image": images})
        return outputs


# By the ending of a file; a SavedModel is a folder.
RUNNERS = {"": SavedModel, ".tflite": TFLiteFile, ".onnx": OnnxFile}


def latency(run, image):
    """Median milliseconds of a run, over about `TIMED_SECONDS`."""
    return round(float(np.median(timings(run, image, TIMED_SECONDS))), 3)


def timings(run, image, seconds):
    """Milliseconds of each of some runs: at least five, for about `seconds`."""
    run(image)  # The first call allocates.
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run(image)
        times.append(1000 * (time.perf_counter() - start))
    return times
