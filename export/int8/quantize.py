"""What ai-edge-quantizer makes of a float32 file."""

import contextlib
import re
import warnings

import numpy as np

from keras_convmixer.utils.checks import UserError

from ..flatbuffer import pack, shorten_names, unpack
from ..operator_versions import state_versions
from .graph import Graph


def quantize_dynamic(float32):
    """Pointwise convolutions and classifier of a float32 file to int8.

    The depthwise kernels are kept in float16, which the runtime turns into
    float32 when it loads the file.
    """
    from ai_edge_quantizer import qtyping

    recipe = new_recipe(float32)
    for operator in ("CONV_2D", "FULLY_CONNECTED"):
        recipe.add_dynamic_config(".*", operators()[operator], num_bits=8)
    half = qtyping.TensorQuantizationConfig(
        num_bits=16, dtype=qtyping.TensorDataType.FLOAT
    )
    recipe.update_quantization_recipe(
        ".*",
        operators()["DEPTHWISE_CONV_2D"],
        qtyping.OpQuantizationConfig(
            weight_tensor_config=half, explicit_dequantize=True
        ),
        algorithm_key="float_casting",
    )
    return finished(recipe.quantize())


def quantize_int8(calibrated, io="uint8", float_gelu=False):
    """All operators of a float32 file to int8, up to the last feature map.

    Behind it float32 comes in, unless `io` is "int8": eight bits can't tell
    the scores of an uncertain image apart. Pooling and softmax cost nothing
    there, and dense layers keep int8 weights.

    Args:
        calibrated: A `CalibratedFile`.
        io: As for `export.tflite.convert`.
        float_gelu: Whether each GELU, but that of the last feature map, is in
            float32, between a DEQUANTIZE and a QUANTIZE. XNNPACK makes one
            table of the three, with the same result; a GELU of integers it
            leaves to the interpreter.

    Returns:
        The contents of the file.

    Raises:
        ValueError: If `io` is "int8" and some operator stayed in float32.
    """
    recipe = new_recipe(calibrated.contents)
    recipe.add_static_config(
        ".*",
        operators()["ALL_SUPPORTED"],
        activation_num_bits=8,
        weight_num_bits=8,
    )
    graph = Graph(calibrated.contents)
    if float_gelu:
        last = calibrated.last_feature_map()
        for operator in graph.graph.operators:
            if graph.kind(operator) == "GELU" and (
                last not in graph.outputs(operator)
            ):
                keep_float(recipe, this_one(graph, operator), "GELU")
    if io == "uint8":
        keep_float(recipe, ".*", "INPUT")
        keep_float(recipe, ".*", "OUTPUT")
        tail = graph.behind(calibrated.last_feature_map())
        for operator in tail:
            name = this_one(graph, operator)
            keep_float(recipe, name, "ALL_SUPPORTED")
            fully_connected = operators()["FULLY_CONNECTED"]
            recipe.add_dynamic_config(name, fully_connected, num_bits=8)
    ranges = {
        tensor: {
            "min": np.full((1,) * graph.rank(tensor), least, "float32"),
            "max": np.full((1,) * graph.rank(tensor), largest, "float32"),
        }
        for tensor, (least, largest) in calibrated.ranges.items()
    }
    with all_tensors_kept():
        contents = finished(recipe.quantize(ranges))
    if io == "int8":
        check_all_integer(contents)
    return contents


def finished(result):
    """The contents of the file that a recipe has made."""
    model = unpack(result.quantized_model)
    shorten_names(model)
    state_versions(model)
    return pack(model)


def check_all_integer(contents):
    """An error for a file with operators that stayed in float32."""
    in_float = Graph(contents).float_operators()
    if in_float:
        raise UserError(
            "io must be 'uint8' for a model with layers behind the ConvMixer "
            "that have no integer form. Received: 'int8' for one with the "
            f"operators {', '.join(in_float)}"
        )


def this_one(graph, operator):
    """What a recipe calls one operator."""
    return "^" + re.escape(";".join(graph.outputs(operator))) + ";$"


def keep_float(recipe, name, operator):
    recipe.update_quantization_recipe(
        name, operators()[operator], algorithm_key="no_quantize"
    )


def new_recipe(float32):
    from ai_edge_quantizer import quantizer

    return quantizer.Quantizer(float_model=bytearray(float32))


def operators():
    from ai_edge_quantizer import qtyping

    return qtyping.TFLOperationName


@contextlib.contextmanager
def all_tensors_kept():
    """LiteRT warns of the memory that this takes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*preserve_all_tensors")
        yield
