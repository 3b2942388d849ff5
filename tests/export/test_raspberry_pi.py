"""The example for boards names what evaluation does."""

import numpy as np
import pytest
from PIL import Image

from examples.raspberry_pi import Classifier, main, middle_square
from export.metadata import add_metadata
from export.tflite import convert
from keras_convmixer import ConvMixer
from keras_convmixer.data.crop import center_crop
from tests.helpers import outputs

LABELS = ["left", "Käse", "right"]


@pytest.fixture(scope="module", params=["float32", "gpu"])
def file(request, tmp_path_factory):
    network = ConvMixer(8, 1, 3, 4, input_shape=(16, 16, 3), classes=3)
    contents = convert(network, request.param)
    path = tmp_path_factory.mktemp("board") / "file.tflite"
    path.write_bytes(add_metadata(contents, "name", "text", LABELS))
    return path


@pytest.fixture
def photo():
    random = np.random.default_rng(0)
    return Image.fromarray(np.uint8(random.integers(0, 256, (90, 131, 3))))


@pytest.mark.parametrize("size", [16, 96, 200])
def test_photos_are_resized_as_in_evaluation(photo, size):
    expected = center_crop(np.asarray(photo), size)
    np.testing.assert_array_equal(middle_square(photo, size), expected)


def test_it_names_what_the_file_computes(file, photo, tmp_path, capsys):
    photo.save(tmp_path / "photo.png")
    (scores,) = outputs(
        file.read_bytes(), center_crop(np.asarray(photo), 16)[None]
    )
    order = np.argsort(-scores)
    classes = Classifier(str(file), threads=1)(photo)
    assert [label for label, _ in classes] == [LABELS[i] for i in order]
    np.testing.assert_allclose(
        [score for _, score in classes], scores[order], rtol=1e-5
    )
    main([str(file), str(tmp_path / "photo.png")])
    printed = capsys.readouterr().out
    assert f": {LABELS[order[0]]} {scores[order[0]]:.1%}, " in printed
