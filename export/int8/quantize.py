"""What ai-edge-quantizer makes of a float32 file."""

import contextlib
import re
import warnings

import numpy as np

from keras_convmixer.utils.checks import UserError

from ..flatbuffer import free_batch, pack, shorten_names, unpack
from ..operator_versions import state_versions
from .graph import Graph

# Dense layers are float16 where that adds at most this share to a file.
SMALL_SHARE = 0.1


def quantize_dynamic(float32):
    """Pointwise convolutions of a float32 file to int8.

    The depthwise kernels are kept in float16, which the runtime turns into
    float32 when it loads the file, and so are dense layers (`quantize_dense`).
    """
    recipe = new_recipe(float32)
    convolution = operators()["CONV_2D"]
    recipe.add_dynamic_config(".*", convolution, num_bits=8)
    store_in_float16(recipe, ".*", "DEPTHWISE_CONV_2D")
    quantize_dense(recipe, ".*", Graph(unpack(float32)))
    return finished(unpack(recipe.quantize().quantized_model))


def quantize_dense(recipe, name, graph):
    """Stores the kernels of dense layers that compute in float32.

    In int8, with a scale for each class, they need LiteRT or TensorFlow 2.17;
    in float16, which takes a byte more for each weight, any runtime that knows
    the other operators. So they are float16 where that is few bytes.

    Args:
        recipe: The quantizer's recipe.
        name: What the recipe calls the dense layers.
        graph: The `Graph` of the file.
    """
    weights = {kind: 0 for kind in graph.kinds}
    for operator in graph.graph.operators:
        weights[graph.kind(operator)] += graph.num_weights(operator)
    dense = weights.get("FULLY_CONNECTED", 0)
    if dense <= SMALL_SHARE * sum(weights.values()):
        store_in_float16(recipe, name, "FULLY_CONNECTED")
    else:
        operator = operators()["FULLY_CONNECTED"]
        recipe.add_dynamic_config(name, operator, num_bits=8)


def store_in_float16(recipe, name, operator):
    """Stores kernels in float16, from which a runtime makes float32."""
    from ai_edge_quantizer import qtyping

    half = qtyping.TensorQuantizationConfig(
        num_bits=16, dtype=qtyping.TensorDataType.FLOAT
    )
    recipe.update_quantization_recipe(
        name,
        operators()[operator],
        qtyping.OpQuantizationConfig(
            weight_tensor_config=half, explicit_dequantize=True
        ),
        algorithm_key="float_casting",
    )


def quantize_int8(calibrated, io="uint8", float_gelu=False):
    """All operators of a float32 file to int8, up to the last feature map.

    After it float32 comes in, unless `io` is "int8": eight bits can't tell
    the scores of an uncertain image apart. Pooling and softmax cost nothing
    there; of dense layers only the weights are smaller (`quantize_dense`).

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
    graph = calibrated.graph
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
        tail = graph.after(calibrated.last_feature_map())
        for operator in tail:
            name = this_one(graph, operator)
            keep_float(recipe, name, "ALL_SUPPORTED")
            quantize_dense(recipe, name, graph)
    else:
        # TensorFlow Lite before 2.10 reads a kernel that has a scale for each
        # class as one that has a single scale, without an error.
        recipe.add_static_config(
            ".*",
            operators()["FULLY_CONNECTED"],
            activation_num_bits=8,
            weight_num_bits=8,
            weight_granularity=one_scale_a_kernel(),
        )
    ranges = {
        tensor: {
            "min": np.full((1,) * graph.rank(tensor), least, "float32"),
            "max": np.full((1,) * graph.rank(tensor), largest, "float32"),
        }
        for tensor, (least, largest) in calibrated.ranges.items()
    }
    with all_tensors_kept():
        model = unpack(recipe.quantize(ranges).quantized_model)
    if io == "int8":
        check_all_integer(model)
    return finished(model)


def finished(model):
    """The contents of a quantised file, of its `ModelT`."""
    free_batch(model)
    shorten_names(model)
    state_versions(model)
    return pack(model)


def check_all_integer(model):
    """An error for a file with operators that stayed in float32."""
    in_float = Graph(model).float_operators()
    if in_float:
        raise UserError(
            "io must be 'uint8' for a model with layers after the ConvMixer "
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


def one_scale_a_kernel():
    from ai_edge_quantizer import qtyping

    return qtyping.QuantGranularity.TENSORWISE


@contextlib.contextmanager
def all_tensors_kept():
    """LiteRT warns of the memory that this takes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*preserve_all_tensors")
        yield
