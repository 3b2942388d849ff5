"""What GPUs and NPUs take of a file."""

import pytest

from export.delegates import delegate_report
from export.flatbuffer import unpack
from export.int8.graph import Graph
from export.tflite import convert
from keras_convmixer import ConvMixer

XNNPACK, GPU = "XNNPACK (run)", "GPU (analyser)"
CORE_ML, QUALCOMM, EDGE_TPU = (
    f"{name} (read)" for name in ("Core ML", "Qualcomm NPU", "Edge TPU")
)


FORMATS = ("float32", "float16", "dynamic", "int8", "int8_fast")


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_left_to_the_cpu(digits_export, format):
    path = digits_export / f"digits_{format}.tflite"
    graph = Graph(unpack(path.read_bytes()))
    activations = [graph.kind(op) for op in graph.graph.operators].count("GELU")
    gelu = f"{activations} GELU"
    report = delegate_report(path)
    assert "uint8 input" in report[GPU]
    if format == "int8":
        # As many parts as the interpreter makes, one between every two.
        assert report[XNNPACK] == f"leaves {gelu}, 1 CAST"
        assert gelu in report[EDGE_TPU]
        assert report[QUALCOMM] == "leaves 1 FULLY_CONNECTED"
    elif format == "int8_fast":
        # The last one, behind which integers end.
        assert report[XNNPACK] == "leaves 1 GELU, 1 CAST"
    else:
        assert report[XNNPACK] == "leaves 1 CAST"
        assert report[EDGE_TPU] == "nothing"
        assert gelu in report[CORE_ML]
        is_dynamic = format == "dynamic"
        assert report[QUALCOMM].startswith("leaves" if is_dynamic else "all")


@pytest.mark.parametrize(
    ("kernel_size", "answer"), [(5, "all"), (7, "leaves 3 DEPTHWISE_CONV_2D")]
)
def test_edge_tpus_take_no_part_of_every_other_row(
    tmp_path, images, kernel_size, answer
):
    model = ConvMixer(
        *(8, 1, kernel_size, 2),
        input_shape=(16, 16, 3),
        classes=5,
        activation="relu",
    )
    path = tmp_path / "relu.tflite"
    path.write_bytes(convert(model, "int8", images, io="int8"))
    assert delegate_report(path)[EDGE_TPU] == answer


def test_a_relu_network_is_not_cut(tmp_path):
    model = ConvMixer(
        *(8, 1, 3, 8), input_shape=(16, 16, 3), classes=5, activation="relu"
    )
    path = tmp_path / "relu.tflite"
    path.write_bytes(convert(model, "float32"))
    assert delegate_report(path)[CORE_ML] == "leaves 1 CAST"
