"""What XNNPACK and GPUs take of a file."""

import pytest

from export.benchmark import delegate_report
from export.tflite import convert
from keras_convmixer import ConvMixer
from tests.helpers import operators

XNNPACK, GPU = "XNNPACK (run)", "GPU (analyser)"
FORMATS = ("float32", "float16", "dynamic", "int8", "int8_fast")


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_left_to_the_cpu(digits_export, format):
    path = digits_export / f"digits_{format}.tflite"
    activations = operators(path.read_bytes()).count("GELU")
    report = delegate_report(path)
    assert "uint8 input" in report[GPU]
    if format == "int8":
        # As many parts as the interpreter makes, one between every two.
        assert report[XNNPACK] == f"leaves {activations} GELU, 1 CAST"
    elif format == "int8_fast":
        # The last one, behind which integers end.
        assert report[XNNPACK] == "leaves 1 CAST, 1 GELU"
    else:
        assert report[XNNPACK] == "leaves 1 CAST"


def test_a_file_for_gpus_is_taken_whole(tmp_path):
    model = ConvMixer(8, 1, 3, 8, input_shape=(16, 16, 3), classes=5)
    path = tmp_path / "gpu.tflite"
    path.write_bytes(convert(model, "gpu"))
    assert delegate_report(path) == {XNNPACK: "all", GPU: "all"}
