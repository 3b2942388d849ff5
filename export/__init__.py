"""Writes a trained model as files for devices, and proves each of them."""

TFLITE_FORMATS = ("float32", "float16", "dynamic", "int8")
FORMATS = ("saved_model", *TFLITE_FORMATS)
