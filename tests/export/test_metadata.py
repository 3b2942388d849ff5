"""What a file says of itself: its labels, its image, its output."""

import zipfile

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import Model

from export.metadata import add_metadata
from export.tflite import convert
from keras_convmixer import ConvMixer
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from keras_convmixer.evaluation.metadata_schema import ColorSpace, read_labels
from keras_convmixer.utils.checks import UserError
from tests.helpers import EACH_FILE, interpreter, outputs


def metadata(contents):
    """The buffer of the metadata of a file."""
    model = Model.GetRootAs(contents)
    entries = [model.Metadata(i) for i in range(model.MetadataLength())]
    (entry,) = [e for e in entries if e.Name() == b"TFLITE_METADATA"]
    return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()


class Table(flatbuffers.table.Table):
    """A table whose fields are asked for by their positions."""

    def field(self, position):
        return self.Pos + self.Offset(4 + 2 * position)

    def table(self, position):
        return Table(self.Bytes, self.Indirect(self.field(position)))

    def first_of(self, position):
        vector = self.Vector(self.field(position) - self.Pos)
        return Table(self.Bytes, self.Indirect(vector))


def color_space(contents):
    """The colour space of the image of a file, by the schema's positions."""
    buffer = bytearray(metadata(contents))
    flags = flatbuffers.number_types.UOffsetTFlags
    root = Table(buffer, flatbuffers.encode.Get(flags.packer_type, buffer, 0))
    image = root.first_of(3).first_of(2)
    properties = image.table(3).table(1)
    offset = properties.Offset(4)
    return buffer[properties.Pos + offset] if offset else 0


@pytest.mark.parametrize("format", EACH_FILE)
def test_labels_are_inside(digits_export, format):
    file = digits_export / f"digits_{format}.tflite"
    names = (digits_export / "labels.txt").read_text().splitlines()
    assert read_labels(file) == names
    assert zipfile.ZipFile(file).testzip() is None


def test_metadata_changes_no_result(digits_export):
    images, _ = as_arrays(Source("digits").load(8).held_out, 9)
    file = digits_export / "digits_float32.tflite"
    contents = file.read_bytes()
    twice = add_metadata(contents, "name", "description", list("abcdefghij"))
    np.testing.assert_array_equal(
        outputs(contents, images), outputs(twice, images)
    )


def test_one_entry_holds_the_metadata(digits_export):
    contents = (digits_export / "digits_int8.tflite").read_bytes()
    buffer = metadata(contents)
    assert buffer[4:8] == b"M001"
    for words in (b"digits_int8", b"Apache-2.0", b"labels.txt", b"RGB image"):
        assert words in buffer


def test_a_file_without_labels_is_named(tmp_path):
    (tmp_path / "plain.tflite").write_bytes(b"TFL3" * 20)
    with pytest.raises(ValueError, match=r"plain\.tflite holds no labels"):
        read_labels(tmp_path / "plain.tflite")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["a", "b"], "labels must be 3 names, one for each output"),
        (["a", "b", "c", "d"], "labels must be 3 names, one for each output"),
        (["a", "b\nc", "d"], "labels must be names of one line each"),
        (["a", "b\u2028c", "d"], "labels must be names of one line each"),
        (["a", "b\x00c", "d"], "labels must be names of one line each"),
        (["a", "", "c"], "labels must be names of one line each"),
    ],
)
def test_labels_that_would_not_be_read_again(three_classes, labels, words):
    with pytest.raises(UserError) as error:
        add_metadata(three_classes, "name", "text", labels)
    assert words in str(error.value)


@pytest.fixture(scope="module")
def three_classes():
    network = ConvMixer(8, 1, 3, 4, input_shape=(16, 16, 3), classes=3)
    return convert(network, "float32")


@pytest.mark.parametrize(
    ("channels", "expected", "words"),
    [
        (1, ColorSpace.GRAYSCALE, b"Grey image"),
        (2, ColorSpace.UNKNOWN, b"Image"),
        (3, ColorSpace.RGB, b"RGB image"),
    ],
)
def test_colours_are_those_of_the_image(channels, expected, words):
    network = ConvMixer(
        *(8, 1, 3, 4),
        input_shape=(16, 16, channels),
        classes=3,
        include_preprocessing=False,
    )
    contents = convert(network, "float32")
    contents = add_metadata(
        contents, "name", "text", ["a", "b", "c"], normalization=None
    )
    assert color_space(contents) == expected
    assert words + b", normalised as in training." in metadata(contents)


@pytest.mark.parametrize("classes", [1, 3])
def test_a_sigmoid_gives_probabilities(classes):
    network = ConvMixer(
        *(8, 1, 3, 4),
        input_shape=(16, 16, 3),
        classes=classes,
        classifier_activation="sigmoid",
    )
    runner = interpreter(convert(network, "float32")).get_signature_runner()
    assert list(runner.get_output_details()) == ["probabilities"]
