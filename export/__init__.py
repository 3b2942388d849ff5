"""Writes a trained model as files for devices, and proves each of them."""

TFLITE_FORMATS = ("float32", "float16", "dynamic", "int8")
DEFAULT_FORMATS = ("saved_model", *TFLITE_FORMATS)
FORMATS = (*DEFAULT_FORMATS, "int8_qat")
IO = ("uint8", "int8")
