"""TFLite files in eight bits: ranges of the activations, and the quantizer."""

from ..flatbuffer import with_short_names
from .quantizer import (
    all_activations_kept,
    integer_recipe,
    new_recipe,
    operators,
)

FLOAT_LAYERS = ("pool", "head")
OUTPUT_TENSOR = "^StatefulPartitionedCall"  # As TensorFlow names it.
CLASSIFIER_ACTIVATIONS = ("SOFTMAX", "LOGISTIC", "TANH", "GELU", "RELU")
MOVING_LAYERS = ("Reshape", "ZeroPadding2D", "Cropping2D")


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
    return with_short_names(recipe.quantize().quantized_model)


def quantize_int8(float32, ranges, io="uint8"):
    """All operators of a float32 file to int8, up to the last feature map.

    Behind it float32 comes in, unless `io` is "int8": eight bits can't tell
    the scores of an uncertain image apart. Pooling and softmax cost nothing
    there, and the classifier keeps its int8 weights.

    Args:
        float32: Contents of a file whose model has one group of channels.
        ranges: What `calibrate` gives.
        io: As for `export.tflite.convert`.

    Returns:
        The contents of the file.
    """
    recipe = integer_recipe(float32)
    if io == "uint8":
        fully_connected = operators()["FULLY_CONNECTED"]
        recipe.add_dynamic_config(".*", fully_connected, num_bits=8)
        for tensors, names in (
            (".*", ("INPUT", "MEAN", "OUTPUT")),
            (OUTPUT_TENSOR, CLASSIFIER_ACTIVATIONS),
        ):
            for name in names:
                recipe.update_quantization_recipe(
                    tensors, operators()[name], algorithm_key="no_quantize"
                )
    with all_activations_kept():
        return with_short_names(recipe.quantize(ranges).quantized_model)
