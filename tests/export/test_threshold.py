"""Thresholds: what they let through, where they are written, who heeds them."""

import io
import json
import shutil
from contextlib import redirect_stdout

import numpy as np
import pytest
from PIL import Image

from export.__main__ import main as export
from export.classify import main as classify
from export.metadata import add_metadata
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.evaluation.metadata_schema import (
    read_labels,
    read_threshold,
)
from keras_convmixer.evaluation.threshold import (
    Answers,
    answers_on,
    cross_answered,
    find_threshold,
    least_threshold,
    wilson_interval,
)
from keras_convmixer.runs import RunFolder
from keras_convmixer.utils.checks import UserError
from tests.conftest import made_once
from tests.helpers import outputs


def answered_by(confidence, is_right, wanted):
    """How many images a threshold answers, and the share that is right."""
    value, _ = least_threshold(confidence, is_right, wanted)
    answered = confidence >= value
    return answered.sum(), is_right[answered].mean()


@pytest.mark.parametrize("wanted", [0.7, 0.9, 0.95])
def test_a_lower_threshold_would_not_be_right_as_often_as_wanted(wanted):
    random = np.random.default_rng(0)
    confidence = random.random(300).round(2)  # Many of them are level.
    is_right = random.random(300) < confidence
    count, precision = answered_by(confidence, is_right, wanted)
    assert precision >= wanted
    for lower in np.unique(confidence):
        answered = confidence >= lower
        if answered.sum() > count:
            assert is_right[answered].mean() < wanted


def test_what_needs_no_threshold_and_what_none_reaches():
    sure, right = np.array([0.9, 0.8, 0.6, 0.6]), np.array([0, 1, 1, 1], bool)
    assert least_threshold(sure, right, 0.75) == (0.0, 0.75)
    assert least_threshold(sure, right, 0.8) == (None, 0.75)
    assert not cross_answered(sure, np.zeros(4, bool), 0.5).any()


def test_a_file_with_one_output_answers_with_class_1_alone():
    probabilities = np.array([[0.9], [0.8], [0.4], [0.1]])
    answers = Answers.of(probabilities, np.array([1, 0, 1, 0]))
    assert answers.is_right.tolist() == [True, False, True, False]
    found = find_threshold(0.9, answers)
    assert found.value == pytest.approx(0.85)


def test_no_image_is_answered_by_a_threshold_that_it_chose():
    random = np.random.default_rng(1)
    confidence = random.random(200)
    is_right = random.random(200) < confidence
    answered = cross_answered(confidence, is_right, 0.9)
    value, _ = least_threshold(confidence[1::2], is_right[1::2], 0.9)
    np.testing.assert_array_equal(answered[::2], confidence[::2] >= value)


@pytest.mark.slow
def test_the_interval_holds_the_share_as_often_as_it_says():
    random = np.random.default_rng(0)
    for share in (0.5, 0.95, 0.99):
        right = random.binomial(100, share, 2000)
        holds = [
            low <= share <= high
            for low, high in (wilson_interval(count, 100) for count in right)
        ]
        assert 0.92 < np.mean(holds) < 0.98
    assert wilson_interval(0, 0) == (0, 1)


@pytest.fixture(scope="session")
def exported(tmp_path_factory, digits_run):
    """A copy of the run, exported for a precision, and what was printed."""

    def make(folder):
        run = shutil.copytree(digits_run, folder / "digits")
        formats = ("--formats", "float32", "int8")
        with redirect_stdout(io.StringIO()) as out:
            export([str(run), *formats, "--precision", "0.999"])
        (folder / "printed.txt").write_text(out.getvalue())

    folder = made_once(tmp_path_factory, "sure", make)
    return folder / "digits", (folder / "printed.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("format", ["float32", "int8"])
def test_a_file_holds_the_threshold_of_its_own_probabilities(exported, format):
    run, printed = exported
    file = run / "export" / f"digits_{format}.tflite"
    report = json.loads((run / "export" / "report.json").read_text())
    (row,) = (r for r in report["files"] if r["file"] == file.name)
    found = row["threshold"]
    images, labels = as_arrays(RunFolder(run).data().held_out)
    answers = Answers.of(outputs(file.read_bytes(), images), labels)
    confidence, is_right = answers.confidence, answers.is_right
    value, most = least_threshold(confidence, is_right, 0.999)
    assert (found["value"], found["most"]) == (value, most)
    assert read_threshold(file) == pytest.approx(value)
    assert 0.5 < value < 1
    assert row["bytes"] == file.stat().st_size
    assert read_labels(file) == [str(index) for index in range(10)]
    # It measures itself on images that did not choose it.
    answered = cross_answered(confidence, is_right, 0.999)
    assert found["coverage"] == answered.mean() < 1
    right, count = int(is_right[answered].sum()), int(answered.sum())
    assert found["precision"] == right / count
    # With all of them right, which the training decides, its end is 1 too.
    assert (found["low"], found["high"]) == wilson_interval(right, count)
    assert found["low"] < found["precision"]
    line = f"{file.name}: below {value:.4f} not sure; "
    assert line in printed
    card = (run / "export" / "MODEL_CARD.md").read_text()
    assert f"below {value:.4f} not sure; " in card


@pytest.mark.slow
def test_a_precision_that_none_reaches_is_said_in_a_line(exported):
    run, _ = exported
    images = RunFolder(run).data().held_out
    wrong = images.map(lambda image, label: (image, (label + 1) % 10))
    file = run / "export" / "digits_float32.tflite"
    of_wrong = answers_on(file, wrong.take(50))
    found = find_threshold(0.95, of_wrong)
    assert found.value is None
    assert str(found).startswith("no threshold has a precision of 0.95 on")
    assert found.coverage == 0
    # What a test part would say of the threshold of the held-out images.
    held_out = answers_on(file, images.take(100))
    found = find_threshold(0.9, held_out, test=of_wrong)
    assert (found.of, found.images) == ("test", 50)
    assert found.precision < 0.1


@pytest.mark.slow
def test_classify_says_that_it_is_not_sure(exported, tmp_path, capsys):
    run, _ = exported
    file = run / "export" / "digits_float32.tflite"
    images, _ = as_arrays(RunFolder(run).data().held_out)
    sure = outputs(file.read_bytes(), images).max(-1)
    for name, index in (("sure", sure.argmax()), ("unsure", sure.argmin())):
        Image.fromarray(images[index]).save(tmp_path / f"{name}.png")
    paths = (tmp_path / "sure.png", tmp_path / "unsure.png")
    classify([str(file), *map(str, paths), "--top", "1"])
    first, _, second, _ = capsys.readouterr().out.splitlines()
    assert "not sure" not in first
    assert f"not sure: no class reaches {read_threshold(file):.2%}" in second


def test_metadata_is_replaced_not_added(digits_export):
    contents = (digits_export / "digits_float32.tflite").read_bytes()
    again = add_metadata(contents, "digits", "text", list("abcdefghij"), 0.5)
    assert again.count(b"M001") == 1
    assert len(again) < len(contents) + 200


def test_damaged_metadata_is_an_error(digits_export, tmp_path):
    contents = (digits_export / "digits_float32.tflite").read_bytes()
    place = contents.index(b"M001")
    damaged = bytearray(contents)
    damaged[place - 4 : place] = b"\xff" * 4
    (tmp_path / "damaged.tflite").write_bytes(damaged)
    with pytest.raises(UserError, match="has damaged metadata"):
        read_threshold(tmp_path / "damaged.tflite")
    assert read_threshold(digits_export / "digits_float32.tflite") is None
