"""Which operators of a file a delegate leaves to the CPU, as far as measured.

XNNPACK's answer is that of the interpreter, which runs it; the GPU's is that of
TensorFlow's analyser.
"""

import collections
import contextlib
import io
import re

import numpy as np

from keras_convmixer.compat import operators_of
from keras_convmixer.evaluation.runtime import TFLiteFile


def delegate_report(path):
    """What each delegate leaves to the CPU.

    Args:
        path: A TFLite file that can be run.

    Returns:
        `{delegate: text}`: "all" or "nothing" it takes, or which operators it
        leaves, each of which cuts the graph. The name ends in how it is known.
    """
    with TFLiteFile(path).interpreter() as interpreter:
        return {
            "XNNPACK (run)": left_by_xnnpack(interpreter),
            "GPU (analyser)": left_by_gpu(path, interpreter),
        }


def left_by_xnnpack(interpreter):
    """The operators that the interpreter runs itself, counted.

    It lists all operators, and each partition as one more with its inputs
    and outputs. What is run is found from the outputs of the graph back.
    """
    maker = {}
    for row in operators_of(interpreter):
        for tensor in row["outputs"]:
            is_partition = row["op_name"] == "DELEGATE"
            if is_partition or tensor not in maker:
                maker[tensor] = row
    waiting = [row["index"] for row in interpreter.get_output_details()]
    run = {}
    while waiting:
        row = maker.get(waiting.pop())
        if row and row["index"] not in run:
            run[row["index"]] = row["op_name"]
            waiting += list(row["inputs"])
    left = collections.Counter(sorted(run.values()))
    if not left.pop("DELEGATE", 0):
        return "nothing"
    kinds = ", ".join(f"{count} {kind}" for kind, count in left.most_common())
    return f"leaves {kinds}" if kinds else "all"


def left_by_gpu(path, interpreter):
    """What TensorFlow's analyser refuses, and the input that it ignores."""
    import tensorflow as tf

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        tf.lite.experimental.Analyzer.analyze(
            model_content=path.read_bytes(), gpu_compatibility=True
        )
    refused = re.findall(r"GPU COMPATIBILITY WARNING: (.*)", printed.getvalue())
    # MediaPipe's GPU path exchanges floats only.
    if interpreter.get_input_details()[0]["dtype"] == np.uint8:
        refused.append("uint8 input (MediaPipe refuses the file)")
    return "; ".join(dict.fromkeys(refused)) or "all"
