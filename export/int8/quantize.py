"""Quantised files, by ai-edge-quantizer."""

import re

import numpy as np
from ai_edge_quantizer.qtyping import (
    OpQuantizationConfig,
    QuantGranularity,
    TensorDataType,
    TensorQuantizationConfig,
    TFLOperationName as Operator,
)
from ai_edge_quantizer.quantizer import Quantizer

from keras_convmixer.evaluation.keras_model import output_name
from keras_convmixer.utils.checks import UserError

from ..converter import device_model, run_converter
from ..flatbuffer import Graph, free_batch, pack, shorten_names, unpack
from ..runtimes import state_versions
from .calibrate import activation_ranges, all_tensors_kept

# Dense layers are float16 where that adds at most this share to a file.
SMALL_SHARE = 0.1


def quantize_dynamic(float32):
    """Pointwise convolutions of a float32 file to int8.

    The depthwise kernels are kept in float16, which the runtime turns into
    float32 when it loads the file, and so are dense layers (`quantize_dense`).
    """
    recipe = Quantizer(bytearray(float32))
    recipe.add_dynamic_config(".*", Operator.CONV_2D, num_bits=8)
    store_in_float16(recipe, ".*", Operator.DEPTHWISE_CONV_2D)
    quantize_dense(recipe, ".*", Graph(unpack(float32)))
    return finished(unpack(recipe.quantize().quantized_model))


def quantize_dense(recipe, name, graph):
    """Stores the kernels of dense layers that compute in float32.

    In int8, with a scale for each class, they need LiteRT or TensorFlow 2.17;
    in float16, which takes a byte more for each weight, any runtime that knows
    the other operators. So they are float16 where that is few bytes. `name` is
    what the recipe calls them.
    """
    weights = dict.fromkeys(graph.kinds, 0)
    for operator in graph.graph.operators:
        weights[graph.kind(operator)] += graph.num_weights(operator)
    dense = weights.get("FULLY_CONNECTED", 0)
    if dense <= SMALL_SHARE * sum(weights.values()):
        store_in_float16(recipe, name, Operator.FULLY_CONNECTED)
    else:
        recipe.add_dynamic_config(name, Operator.FULLY_CONNECTED, num_bits=8)


def store_in_float16(recipe, name, operator):
    """Stores kernels in float16, from which a runtime makes float32."""
    half = TensorQuantizationConfig(num_bits=16, dtype=TensorDataType.FLOAT)
    recipe.update_quantization_recipe(
        name,
        operator,
        OpQuantizationConfig(
            weight_tensor_config=half, explicit_dequantize=True
        ),
        algorithm_key="float_casting",
    )


def quantize_int8(
    inference, images, layer_ranges, io="uint8", float_gelu=False
):
    """Converts an inference model to int8, up to the last feature map.

    After it float32 comes in, unless `io` is "int8": eight bits can't tell the
    scores of an uncertain image apart. Pooling and softmax cost nothing there;
    of dense layers only the weights are smaller (`quantize_dense`).

    Args:
        inference, images, layer_ranges: As for `activation_ranges`.
        io: As for `export.tflite.convert`.
        float_gelu: Whether each GELU, but that of the last feature map, is in
            float32, between a DEQUANTIZE and a QUANTIZE. XNNPACK makes one
            table of the three, with the same result; a GELU of integers it
            leaves to the interpreter.

    Returns:
        The contents of the file.

    Raises:
        UserError: If `io` is "int8" and some operator stayed in float32.
    """
    bits = {"activation_num_bits": 8, "weight_num_bits": 8}
    image_type = "float32" if io == "int8" else images.dtype.name
    contents = run_converter(
        device_model(inference, image_type, output_name(inference))
    )
    graph = Graph(unpack(contents))
    extremes, last = activation_ranges(
        contents, inference, images, layer_ranges
    )
    recipe = Quantizer(bytearray(contents))
    recipe.add_static_config(".*", Operator.ALL_SUPPORTED, **bits)
    if float_gelu:
        for operator in graph.graph.operators:
            is_last = last in graph.outputs(operator)
            if graph.kind(operator) == "GELU" and not is_last:
                keep_float(recipe, this_one(graph, operator), Operator.GELU)
    if io == "uint8":
        keep_float(recipe, ".*", Operator.INPUT)
        keep_float(recipe, ".*", Operator.OUTPUT)
        for operator in graph.after(last):
            name = this_one(graph, operator)
            keep_float(recipe, name, Operator.ALL_SUPPORTED)
            quantize_dense(recipe, name, graph)
    else:
        # TensorFlow Lite before 2.10 reads a kernel that has a scale for each
        # class as one that has a single scale, without an error.
        recipe.add_static_config(
            ".*",
            Operator.FULLY_CONNECTED,
            weight_granularity=QuantGranularity.TENSORWISE,
            **bits,
        )
    ranges = {}
    for tensor, (least, largest) in extremes.items():
        shape = (1,) * len(graph.shape(tensor))
        ranges[tensor] = {
            "min": np.full(shape, least, "float32"),
            "max": np.full(shape, largest, "float32"),
        }
    with all_tensors_kept():
        model = unpack(recipe.quantize(ranges).quantized_model)
    if io == "int8":
        check_all_integer(Graph(model))
    return finished(model)


def finished(model):
    """The contents of a quantised file, of its `ModelT`."""
    free_batch(model)
    state_versions(model)
    shorten_names(model)
    return pack(model)


def check_all_integer(graph):
    """An error for a file with operators that stayed in float32."""
    if in_float := graph.float_operators():
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
        name, operator, algorithm_key="no_quantize"
    )
