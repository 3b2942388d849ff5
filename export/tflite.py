"""TFLite files: the inference model as CPUs and as GPUs run it."""

from keras_convmixer.evaluation.keras_model import input_type, output_name
from keras_convmixer.inference import reparameterize
from keras_convmixer.utils.checks import UserError, check_choice

from .arguments import read_representative_images
from .converter import check_model, device_model, full_float32, run_converter
from .flatbuffer import free_batch, pack, unpack
from .formats import IO, TABLE, TFLITE_FORMATS
from .int8.fit import fit_to_eight_bits
from .int8.quantize import quantize_dynamic, quantize_int8


@full_float32()
def convert(model, format, representative_images=None, io="uint8"):
    """Converts a trained ConvMixer to a TFLite file.

    Every file has the same signature: input `image`, uint8
    `[1, height, width, channels]`, pixels 0 to 255; output `probabilities`,
    float32 `[1, classes]`. A model that ends in logits or features has
    `logits` or `features` instead, and one without the input normalisation
    takes float32 images, normalised. The file "gpu" takes float32 as well, of
    the same values. Only TFLite's builtin operators occur.

    Args:
        model: A model that `ConvMixer` built, or one that has it inside, with
            layers of your own after it (see `reparameterize`); of a fixed
            input size.
        format: "float32"; "float16", weights of half the size; "dynamic",
            pointwise convolutions in int8 with ranges found while running, all
            else in float32; "int8", all integer up to the last feature map,
            float32 after it; "int8_fast", the same for XNNPACK on CPUs, faster
            and several times as large (see "integers_tiled" of
            `reparameterize`); "gpu", for GPU delegates: float16 weights, whole
            kernels and a GELU that is finite there.
        representative_images: For both of int8: images as the model takes
            them, from which the ranges of the activations are taken; in any
            form that `export.arguments.read_representative_images` knows.
        io: "uint8", as above; "int8", for "int8" only: integers from the
            input, which is pixel - 128, to the output, whose scale and zero
            point are in the file.

    Returns:
        The contents of the file, `bytes`.

    Raises:
        ValueError: If an argument is not as above, or the model has a layer
            that is not understood.

    Example:
        contents = convert(model, "int8", train_images[:200])
        Path("flowers.tflite").write_bytes(contents)
    """
    check_choice("format", format, TFLITE_FORMATS)
    check_choice("io", io, IO)
    check_model(model)
    row = TABLE[format]
    if io == "int8" and not row.takes_int8:
        raise UserError(f"io 'int8' needs the format int8. Received: {format}")
    if row.is_integer:
        images = read_representative_images(representative_images, model)
    inference = reparameterize(model, row.arrangement)
    if row.is_integer:
        layer_ranges = fit_to_eight_bits(inference, images)
        float_gelu = row.arrangement == "integers_tiled"
        return quantize_int8(inference, images, layer_ranges, io, float_gelu)
    pixels = "float32" if row.takes_float else input_type(model)
    inference = device_model(inference, pixels, output_name(model))
    contents = run_converter(inference, float16_weights=row.is_half)
    if row.arrangement == "cpu_dynamic":
        return quantize_dynamic(contents)
    converted = unpack(contents)
    free_batch(converted)
    return pack(converted)
