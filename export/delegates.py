"""Which operators of a file other processors than the CPU take.

XNNPACK's answer is that of the interpreter, which runs it; the GPU's is that of
TensorFlow's analyser. The other rules are read, not run: no phone is needed
here, and none was asked.

    Core ML    tensorflow/lite/delegates/coreml/coreml_delegate.mm
    Qualcomm   litert/vendors/qualcomm/compiler/qnn_compose_graph.cc
    Edge TPU   coral.ai/docs/edgetpu/models-intro, as others quote its table:
               developer.axis.com (ARTPEC-7); of RSQRT, SUM and TRANSPOSE no
               quotation was found
"""

import collections
import contextlib
import io
import re
from typing import NamedTuple

from .flatbuffer import unpack
from .int8.graph import Graph

EVERYWHERE = (
    *("ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D"),
    *("DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "LOGISTIC", "MAX_POOL_2D"),
    *("MEAN", "MUL", "PAD", "RELU", "RELU6", "RESHAPE", "SOFTMAX", "TANH"),
)
CORE_ML = (*EVERYWHERE, "HARD_SWISH", "PADV2")
# The newest version of an operator; of all others it is 1.
CORE_ML_VERSIONS = {"DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 6}
QUALCOMM = (
    *(*EVERYWHERE, "CAST", "DEQUANTIZE", "DIV", "GELU", "HARD_SWISH"),
    *("MAXIMUM", "MINIMUM", "QUANTIZE", "RSQRT", "SLICE", "SPLIT"),
    *("SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB", "SUM", "TRANSPOSE"),
)
EDGE_TPU = (
    *(*EVERYWHERE, "EXPAND_DIMS", "L2_NORMALIZATION", "MAXIMUM", "MINIMUM"),
    *("PACK", "PRELU", "QUANTIZE", "REDUCE_MAX", "REDUCE_MIN"),
    *("RELU_N1_TO_1", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT"),
    *("SLICE", "SPACE_TO_DEPTH", "SPLIT", "SQUEEZE", "STRIDED_SLICE", "SUB"),
    *("SUM", "TRANSPOSE"),
)


class Operator(NamedTuple):
    """An operator as the rules see it.

    Attributes:
        kind: Such as "CONV_2D".
        version: That the file states.
        types: Of its inputs, such as "INT8".
        dilation: Of a convolution's rows and columns.
    """

    kind: str
    version: int
    types: list
    dilation: tuple

    @property
    def is_hybrid(self):
        """Whether it computes in float32 with an int8 kernel."""
        return self.types[:2] == ["FLOAT32", "INT8"]


def taken_by_core_ml(operator):
    newest = CORE_ML_VERSIONS.get(operator.kind, 1)
    is_float = operator.types[0] == "FLOAT32" and not operator.is_hybrid
    return operator.kind in CORE_ML and is_float and operator.version <= newest


def taken_by_qualcomm(operator):
    return operator.kind in QUALCOMM and not operator.is_hybrid


def taken_by_edge_tpu(operator):
    down, right = operator.dilation
    is_integer = operator.types[0] in ("INT8", "UINT8")
    return operator.kind in EDGE_TPU and is_integer and down == right


RULES = {
    "Core ML (read)": taken_by_core_ml,
    "Qualcomm NPU (read)": taken_by_qualcomm,
    "Edge TPU (read)": taken_by_edge_tpu,
}


def delegate_report(path):
    """What each delegate leaves to the CPU.

    Args:
        path: A TFLite file that can be run.

    Returns:
        `{delegate: text}`: "all", "nothing" it takes, or which operators it
        leaves, each of which cuts the graph. Behind the name is how it is
        known: "run" or "read".
    """
    contents = path.read_bytes()
    operators = operators_of(contents)
    report = {
        "XNNPACK (run)": described(left_by_xnnpack(path), len(operators)),
        "GPU (analyser)": left_by_gpu(contents),
    }
    for delegate, takes in RULES.items():
        left = [op.kind for op in operators if not takes(op)]
        report[delegate] = described(left, len(operators))
    return report


def operators_of(contents):
    """The operators of a file but those that only unpack float16 weights."""
    graph = Graph(unpack(contents))
    operators = [
        Operator(
            graph.kind(op),
            graph.version(op),
            graph.types(op),
            (
                getattr(op.builtinOptions, "dilationHFactor", 1),
                getattr(op.builtinOptions, "dilationWFactor", 1),
            ),
        )
        for op in graph.graph.operators
    ]
    return [op for op in operators if op.types != ["FLOAT16"]]


def described(left, count):
    """The operators that are left, counted, the most frequent first."""
    if not left:
        return "all"
    if len(left) == count:
        return "nothing"
    kinds = collections.Counter(left).most_common()
    return "leaves " + ", ".join(f"{count} {kind}" for kind, count in kinds)


def left_by_xnnpack(path):
    """Kinds of the operators that the interpreter runs itself.

    It lists all operators, and each partition as one more with its inputs
    and outputs. What is run is found from the outputs of the graph back.
    """
    from .runtime import TFLiteFile

    interpreter = TFLiteFile(path).interpreter
    maker = {}
    for row in interpreter._get_ops_details():
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
    return [name for name in run.values() if name != "DELEGATE"]


def left_by_gpu(contents):
    """What TensorFlow's analyser says, and what it does not know of."""
    import tensorflow as tf

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        tf.lite.experimental.Analyzer.analyze(
            model_content=contents, gpu_compatibility=True
        )
    refused = re.findall(r"GPU COMPATIBILITY WARNING: (.*)", printed.getvalue())
    # MediaPipe's GPU path exchanges floats only.
    if "UINT8" in operators_of(contents)[0].types:
        refused.append("uint8 input (MediaPipe refuses the file)")
    return "; ".join(dict.fromkeys(refused)) or "all"
