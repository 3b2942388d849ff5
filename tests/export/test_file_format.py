"""What readers other than LiteRT need of a TFLite file.

Android's `MetadataExtractor` finds the labels by offsets from the start of the
file, OpenVINO connects tensors by name, and OpenVINO and OpenCV read the 8-bit
field of an operator's code.
"""

import re
import struct

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from export import TFLITE_FORMATS
from export.flatbuffer import Graph, pack, shorten_names, unpack
from export.metadata import add_metadata
from export.runtimes import minimum_runtime, runtime_table
from export.tflite import convert
from keras_convmixer import ConvMixer
from tests.helpers import EACH_FILE, outputs, slow_except
from tests.processes import ROOT

END = struct.Struct("<4s4H2LH")  # Of a zip archive, without a comment.
ENTRY = struct.Struct("<4s6H3L5H2L")  # Of its directory.
LOCAL = struct.Struct("<4s5H3L2H")  # In front of a file's contents.


@pytest.fixture(params=[*EACH_FILE, "int8_io_int8"])
def contents(request, digits_export, integers):
    """Of a file in each format."""
    if request.param == "int8_io_int8":
        return integers
    return (digits_export / f"digits_{request.param}.tflite").read_bytes()


@pytest.fixture(scope="module")
def integers(images):
    """Of a file with integers in and out."""
    network = ConvMixer(8, 1, 7, 4, input_shape=(16, 16, 3), classes=3)
    contents = convert(network, "int8", images, io="int8")
    return add_metadata(contents, "name", "text", ["a", "b", "c"])


def by_absolute_offsets(contents):
    """Names and contents of stored files, as a strict reader finds them."""
    end = END.unpack(contents[-END.size :])
    assert end[0] == b"PK\5\6"
    number, place = end[4], end[6]
    files = {}
    for _ in range(number):
        entry = ENTRY.unpack_from(contents, place)
        assert entry[0] == b"PK\1\2"
        _, _, _, _, method, _, _, _, size, _, length, *more, offset = entry
        local = LOCAL.unpack_from(contents, offset)
        assert local[0] == b"PK\3\4"
        assert method == 0
        start = offset + LOCAL.size + local[-2] + local[-1]
        name = contents[place + ENTRY.size :][:length].decode()
        files[name] = contents[start : start + size]
        place += ENTRY.size + length + more[0] + more[1]
    assert place == len(contents) - END.size
    return files


def test_labels_are_found_by_offsets_from_the_start_of_the_file(contents):
    ((name, labels),) = by_absolute_offsets(contents).items()
    assert name == "labels.txt"
    assert labels.decode().splitlines() in (list("0123456789"), list("abc"))


def test_names_of_tensors_are_unique(contents):
    for graph in unpack(contents).subgraphs:
        names = [tensor.name for tensor in graph.tensors]
        assert len(set(names)) == len(names)


def test_operator_codes_stand_in_both_fields(contents):
    codes = unpack(contents).operatorCodes
    assert [code.deprecatedBuiltinCode for code in codes] == [
        min(code.builtinCode, 127) for code in codes
    ]
    assert any(code.builtinCode > 0 for code in codes)


def test_constants_give_way_to_what_operators_compute(contents):
    model = unpack(contents)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.name = b"function/model/layer/Operator;another"
    shorten_names(model)
    shortened = Graph(unpack(pack(model)))
    first, *others = shortened.computed
    assert first == "layer/Operator"
    assert others[0] == "layer/Operator_1"
    assert len(set(shortened.names)) == len(shortened.names)


def test_the_same_model_gives_the_same_bytes(integers, images):
    with_labels = [
        add_metadata(integers, "name", "text", ["a", "b", "c"])
        for _ in range(2)
    ]
    assert with_labels[0] == with_labels[1] == integers
    assert b"labels.txt" in integers


@pytest.fixture(scope="module")
def larger():
    """A network with tiles in `int8_fast`, and images for it."""
    network = ConvMixer(8, 1, 7, 4, input_shape=(64, 64, 3), classes=3)
    random = np.random.default_rng(0)
    return network, np.uint8(random.integers(0, 256, (5, 64, 64, 3)))


@pytest.mark.parametrize("format", slow_except(TFLITE_FORMATS, "int8_fast"))
def test_any_number_of_images_may_be_given_at_a_time(format, larger):
    network, images = larger
    contents = convert(network, format, images)
    resized = Interpreter(model_content=contents)
    resized.resize_tensor_input(
        resized.get_input_details()[0]["index"], images.shape
    )
    resized.allocate_tensors()
    probabilities = resized.get_signature_runner()(
        image=np.float32(images) if format == "gpu" else images
    )["probabilities"]
    np.testing.assert_allclose(
        probabilities, outputs(contents, images), atol=1e-3
    )


def kernels_of_dense_layers(contents):
    graph = Graph(unpack(contents))
    tensors = dict(zip(graph.names, graph.graph.tensors, strict=True))
    return [
        tensors[graph.inputs(operator)[1]]
        for operator in graph.graph.operators
        if graph.kind(operator) == "FULLY_CONNECTED"
    ]


def test_a_dense_kernel_between_integers_has_one_scale(integers):
    """Runtimes before 2.10 take several for one, without an error."""
    (kernel,) = kernels_of_dense_layers(integers)
    assert kernel.type == 9  # int8
    assert len(kernel.quantization.scale) == 1


@pytest.mark.parametrize(
    "format", slow_except(["dynamic", "int8", "int8_fast"], "int8")
)
@pytest.mark.parametrize(
    ("classes", "runtime"), [(3, "2.9.0"), (200, "2.17.0")]
)
def test_the_head_alone_needs_no_newer_runtime_where_it_is_small(
    format, classes, runtime, images
):
    network = ConvMixer(8, 2, 7, 4, input_shape=(16, 16, 3), classes=classes)
    contents = convert(network, format, images)
    assert minimum_runtime(unpack(contents)) == runtime


def cells_of(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_first_releases_are_those_of_the_docs(
    digits_export, digits_formats
):
    """Docs and model card have them from one place."""
    rows = runtime_table(
        digits_export / f"digits_{format}.tflite" for format in digits_formats
    ).splitlines()
    page = (ROOT / "docs" / "phone.md").read_text()
    card = (digits_export / "MODEL_CARD.md").read_text()
    card = [cells_of(line) for line in card.splitlines()]
    for row in rows[2:]:
        file, *versions = cells_of(row)
        assert [file, *versions] in card
        assert re.search(
            rf"`{file.split('_', 1)[1][:-7]}` .*\| "
            + r" +\| ".join(map(re.escape, versions[:3])),
            page,
        ), file
