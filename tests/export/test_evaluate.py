"""`python -m export.evaluate`: scores of any file on any pictures."""

import csv
import io
import json
import shutil
import tracemalloc

import keras
import numpy as np
import pytest
from PIL import Image

from export import evaluate
from keras_convmixer import ConvMixer
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from keras_convmixer.evaluation.classifier import Classifier
from keras_convmixer.evaluation.scoring import match_classes, score
from keras_convmixer.evaluation.stored_images import (
    EvaluationSet,
    StoredImage,
    dataset_images,
    folder_images,
)
from keras_convmixer.utils.checks import UserError
from tests.helpers import run_program


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The held-out digits as a folder: 100 pictures, one class in each."""
    folder = tmp_path_factory.mktemp("pictures") / "digits"
    images, labels = as_arrays(Source("digits").load(8).held_out, 100)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / str(label) / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def evaluated(tmp_path, *arguments):
    """What the command prints, its JSON and its predictions."""
    paths = tmp_path / "scores.json", tmp_path / "predictions.csv"
    options = ("--json", paths[0], "--predictions", paths[1])
    printed = run_program(evaluate.main, *arguments, *options)
    with open(paths[1], newline="") as file:
        rows = list(csv.DictReader(file))
    return printed, json.loads(paths[0].read_text()), rows


@pytest.mark.parametrize(
    "name",
    ["", "model.keras", "export/saved_model", "export/digits_int8.tflite"],
)
def test_the_scores_are_those_of_the_predictions(
    name, digits_export, digits, tmp_path
):
    file = digits_export.parent / name
    printed, scores, rows = evaluated(tmp_path, file, "--image-folder", digits)
    assert len(rows) == scores["images"] == 100
    right = [row["true"] == row["class_1"] for row in rows]
    among_five = [
        row["true"] in [row[f"class_{rank}"] for rank in range(1, 6)]
        for row in rows
    ]
    assert scores["top1"] == pytest.approx(np.mean(right))
    assert scores["top1"] > 0.5
    assert scores["top5"] == pytest.approx(np.mean(among_five))
    assert f"{100 * scores['top1']:.2f}" in printed
    assert scores["milliseconds"] > 0
    for row in scores["classes"]:
        own = [r for r in rows if r["true"] == row["class"]]
        hits = sum(r["class_1"] == row["class"] for r in own)
        assert row["support"] == len(own) > 0
        assert row["recall"] == pytest.approx(hits / len(own))
    for row in rows:
        shown = [float(row[f"probability_{rank}"]) for rank in range(1, 6)]
        assert shown == sorted(shown, reverse=True)
        assert (digits / row["file"]).is_file()


def test_a_data_set_is_scored_as_in_training(digits_run, tmp_path):
    _, scores, rows = evaluated(tmp_path, digits_run, "--dataset", "digits")
    metrics = json.loads((digits_run / "metrics.json").read_text())
    assert scores["top1"] == pytest.approx(metrics["top1"])
    assert len(rows) == metrics["images"]
    assert rows[7]["file"] == "held_out/7"


def test_a_split_of_a_data_set(tiny_tfds, digits_run, tmp_path):
    labels = tmp_path / "names.txt"
    labels.write_text("".join(f"{name}\n" for name in "cab3456789"))
    options = ("--dataset", "tiny_pictures", "--data-dir", tiny_tfds)
    _, scores, rows = evaluated(
        *(tmp_path, digits_run, *options),
        *("--split", "test[3:]", "--labels", labels),
    )
    source = Source("tiny_pictures", str(tiny_tfds))
    _, expected = as_arrays(source.load(16).held_out)
    trues = [row["true"] for row in rows]
    assert trues == ["abc"[label] for label in expected[3:]]
    assert [row["class"] for row in scores["classes"]] == [*"cab3456789"]
    supports = [row["support"] for row in scores["classes"]]
    assert supports == [trues.count(name) for name in "cab"] + 7 * [0]
    with pytest.raises(UserError, match=r"of test, train, .*'tset'"):
        dataset_images(source, "tset")


def test_of_a_folder_with_parts_the_test_part_is_scored(digits, tmp_path):
    for part in ("train", "test"):
        shutil.copytree(digits, tmp_path / "photos" / part)
    shutil.rmtree(tmp_path / "photos" / "test" / "8")
    pictures = folder_images(tmp_path / "photos")
    assert pictures.name == "photos/test"
    assert pictures.classes == [*"012345679"]
    assert pictures.count < folder_images(digits).count
    shutil.rmtree(tmp_path / "photos" / "test")
    with pytest.raises(UserError, match=r"has parts, but no test: .*train"):
        folder_images(tmp_path / "photos")


def test_classes_are_matched_by_name(digits_export, digits, tmp_path):
    folder = shutil.copytree(digits, tmp_path / "digits")
    (folder / "3").rename(folder / "three")
    shutil.rmtree(folder / "8")
    (folder / "7" / "broken.jpg").write_bytes(b"no picture")
    (folder / ".hidden").mkdir()
    file = digits_export / "digits_float32.tflite"
    printed, scores, rows = evaluated(tmp_path, file, "--image-folder", folder)
    threes = len([*(folder / "three").iterdir()])
    assert scores["foreign"] == {"three": threes}
    assert scores["missing"] == ["3", "8"]
    assert scores["unreadable"] == 1
    assert f"{threes} images of three" in printed
    assert "without images: 3, 8" in printed
    assert "left out as broken: 1" in printed
    # A 9 that is taken for an 8 is wrong, though there is no folder of 8s.
    known = [row for row in rows if row["true"] != "three"]
    assert len(rows) - len(known) == threes
    right = np.mean([row["true"] == row["class_1"] for row in known])
    assert scores["top1"] == pytest.approx(right)
    assert scores["top1"] > 0.5
    assert scores["images"] == len(known)


def test_if_no_class_matches_the_names_are_told(digits_export, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "a.png")
    classifier = Classifier(digits_export / "digits_int8.tflite")
    with pytest.raises(UserError, match=r"dog\. It knows: 0, 1, 2, 3, 4 and"):
        match_classes(classifier, folder_images(tmp_path))


def test_pictures_without_classes_are_classified(
    digits_export, digits, tmp_path
):
    file = digits_export / "digits_int8.tflite"
    printed, scores, rows = evaluated(
        tmp_path, file, "--image-folder", digits / "4"
    )
    assert "nothing is scored" in printed
    assert "top1" not in scores
    assert scores["classified"] == len(rows) > 5
    assert {row["true"] for row in rows} == {""}
    classes = [row["class_1"] for row in rows]
    assert classes.count("4") > len(rows) / 2


def test_plots_and_maps_are_drawn(digits_run, digits, tmp_path):
    plots, pictures = tmp_path / "plots", tmp_path / "pictures"
    shutil.copytree(digits, pictures)
    # Mistakes, however good the run is.
    for index, path in enumerate(sorted((pictures / "0").iterdir())[:5]):
        path.rename(pictures / "8" / f"zero_{index}.png")
    run_program(
        *(evaluate.main, digits_run, "--image-folder", pictures),
        *("--plots", plots, "--heatmaps", 2),
    )
    drawn = {
        str(path.relative_to(plots))
        for path in plots.rglob("*.png")
        if np.ptp(np.asarray(Image.open(path))) > 100
    }
    names = {"confusion", "coverage", "mistakes", "reliability"}
    maps = {f"heatmaps/00{number}.png" for number in (1, 2)}
    assert drawn == {f"{name}.png" for name in names} | maps


@pytest.fixture
def one_output(tmp_path):
    """A `.keras` file of a user's own, a head of one output, dog or cat."""
    base = ConvMixer(
        *(8, 1, 3, 4), input_shape=(8, 8, 3), include_top=False, pooling="avg"
    )
    head = keras.layers.Dense(
        1, bias_initializer=keras.initializers.Constant(9)
    )
    keras.Sequential([base, head]).save(tmp_path / "dog.keras")
    (tmp_path / "labels.txt").write_text("dog\n")
    return tmp_path / "dog.keras"


def test_one_output_is_the_probability_of_the_class_it_names(
    one_output, tmp_path
):
    folder = tmp_path / "pets"
    for name, count in (("cat", 1), ("dog", 3)):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (9, 8)).save(folder / name / f"{index}.png")
    _, scores, rows = evaluated(tmp_path, one_output, "--image-folder", folder)
    assert scores["top1"] == 0.75
    assert [row["class"] for row in scores["classes"]] == ["cat", "dog"]
    assert {row["class_1"] for row in rows} == {"dog"}
    assert scores["missing"] == []
    # It ends in a logit of about 9.
    assert float(rows[0]["probability_1"]) > 0.99
    classifier = Classifier(one_output)
    assert classifier.labels == ["not dog", "dog"]


def test_a_model_of_ones_own_runs_no_code_of_the_file(tmp_path):
    image = keras.Input((8, 8, 3))
    x = keras.layers.Lambda(lambda x: x + 1)(image)
    keras.Model(image, x).save(tmp_path / "code.keras")
    (tmp_path / "labels.txt").write_text("a\nb\n")
    with pytest.raises(UserError, match="is not a Keras model that can be"):
        Classifier(tmp_path / "code.keras")


def test_memory_does_not_grow_with_the_number_of_pictures(digits_export):
    classifier = Classifier(digits_export / "digits_int8.tflite")
    contents = np.random.default_rng(0).integers(0, 256, (64, 64, 3), "uint8")
    png = png_of(contents)

    def each():
        for index in range(2000):
            yield StoredImage(str(index), "3", "a picture", png)

    pictures = EvaluationSet("noise", ["3", "4"], 2000, each)
    tracemalloc.start()
    try:
        result = score(
            classifier, pictures, *match_classes(classifier, pictures)
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.scores.images == 2000
    # Decoded they have 25 million bytes.
    assert peak < 6_000_000


def png_of(pixels):
    """The contents of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_an_evaluation_that_fails_leaves_no_file(digits_export, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "broken.jpg").write_bytes(b"no picture")
    file = digits_export / "digits_int8.tflite"
    output = tmp_path / "predictions.csv"
    with pytest.raises(SystemExit):
        run_program(
            *(evaluate.main, file, "--image-folder", tmp_path),
            *("--predictions", output),
        )
    assert {path.name for path in tmp_path.iterdir()} == {"0", "a"}
