"""The first release of each client that runs a file.

A TFLite file states the first TensorFlow whose operators it is made of. That
number is also the one of `tflite-runtime` on PyPI and of
`org.tensorflow:tensorflow-lite` on Maven. LiteRT and MediaPipe have numbers of
their own. `python -m tests.clients` runs files in releases around these.
"""

from keras_convmixer.utils.tables import markdown_table

from .flatbuffer import unpack
from .formats import TFLITE
from .metadata import INT8
from .operator_versions import minimum_runtime, numbers

# (TensorFlow, the first MediaPipe Tasks that was built with it or a later one):
# the oldest releases that ran our files.
MEDIAPIPE = (("2.17.0", "0.10.13"), ("0", "0.10.5"))
LITERT = "1.0.0"  # Its first release, made of TensorFlow 2.17.
# Of files that are not TFLite: those with which they were tested.
OTHERS = {"": {"TensorFlow": "2.15"}, ".onnx": {"ONNX Runtime": "1.17"}}


def runtimes(path):
    """The first release of each client that runs a file, `{client: version}`.

    None for MediaPipe and a file that takes int8.
    """
    if path.suffix != TFLITE:
        return OTHERS[path.suffix]
    model = unpack(path.read_bytes())
    needed = minimum_runtime(model)
    mediapipe = next(
        version
        for tensorflow, version in MEDIAPIPE
        if numbers(needed) >= numbers(tensorflow)
    )
    (graph,) = model.subgraphs
    takes_images = graph.tensors[graph.inputs[0]].type != INT8
    return {
        "TensorFlow": needed.removesuffix(".0"),
        "LiteRT": LITERT,
        "MediaPipe Tasks": mediapipe if takes_images else None,
    }


def runtime_table(paths):
    """The first releases for several files, as a Markdown table."""
    columns = ("TensorFlow", "LiteRT", "MediaPipe Tasks", "ONNX Runtime")
    return markdown_table(
        [
            {"file": path.name, **dict.fromkeys(columns), **runtimes(path)}
            for path in paths
        ]
    )
