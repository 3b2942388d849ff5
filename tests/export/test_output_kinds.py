"""Each head is scored as what it says, or refused."""

import keras
import numpy as np
import pytest
from keras import layers

from export import AgreementError, export_tflite, writers
from export.onnx_file import onnx_file
from export.reference import Reference
from export.tflite import convert
from export.verify import compare
from export.writers import write_saved_model
from keras_convmixer import ConvMixer
from keras_convmixer.evaluation.classifier import Classifier
from keras_convmixer.evaluation.output_kind import r_squared
from keras_convmixer.evaluation.scoring import match_classes
from keras_convmixer.evaluation.stored_images import EvaluationSet
from keras_convmixer.utils.checks import UserError
from tests.helpers import outputs, slow_except

NAMES = ["dark", "grey", "round", "soft"]
HEADS = {
    "softmax": [layers.Dense(3, activation="softmax")],
    "logits or four values": [layers.Dense(4)],
    "one sigmoid": [layers.Dense(1, activation="sigmoid")],
    "sigmoids": [layers.Dense(4), layers.Activation("sigmoid")],
    "regression": [layers.Dense(1, bias_initializer="ones")],
    "relu": [layers.Dense(3, activation="relu")],
    "tanh": [layers.Dense(1, activation="tanh")],
    "features": [],
}
NAMING = ("softmax", "one sigmoid", "sigmoids")


def network(head):
    model = ConvMixer(
        *(8, 1, 3, 4), input_shape=(16, 16, 3), include_top=False, pooling="avg"
    )
    x = model.output
    for layer in head:
        x = type(layer).from_config(layer.get_config())(x)
    return keras.Model(model.input, x)


@pytest.fixture(scope="module")
def multi_label():
    keras.utils.set_random_seed(0)
    return network(HEADS["sigmoids"])


@pytest.mark.parametrize("head", slow_except(HEADS, "softmax"))
def test_a_file_of_another_network_is_refused(
    images, tmp_path, monkeypatch, head
):
    """Whatever it ends in; the same network's file is handed over."""
    model, path = network(HEADS[head]), tmp_path / "network.tflite"
    options = {"format": "float32", "verification": (images, None)}
    result = export_tflite(model, path, **options)
    assert (result.agreement is None) == (
        head not in (*NAMING, *list(HEADS)[:2])
    )
    assert (result.r_squared is None) == (head in NAMING)
    contents = path.read_bytes()

    other = keras.models.clone_model(model)
    random = np.random.default_rng(0)
    other.set_weights(
        [
            w + random.normal(0, 0.5, w.shape) * w.ndim
            for w in model.get_weights()
        ]
    )
    monkeypatch.setattr(
        writers, "convert", lambda _, *options: convert(other, *options)
    )
    with pytest.raises(AgreementError, match="less than min_agreement"):
        export_tflite(model, path, **options)
    assert path.read_bytes() == contents


def test_a_softmax_of_one_output_is_refused(images, tmp_path):
    model = network([layers.Dense(1, activation="softmax")])
    with pytest.raises(UserError, match="softmax of one output"):
        export_tflite(
            model, tmp_path / "one.tflite", verification=(images, None)
        )


def test_labels_are_scored_image_by_image(multi_label, images, tmp_path):
    path = tmp_path / "labels.tflite"
    labels = multi_label.predict(images, verbose=0) > 0.5
    labels[:5, 1] ^= True
    result = export_tflite(
        multi_label,
        path,
        format="float32",
        labels=NAMES,
        verification=(images, labels),
    )
    assert (result.agreement, result.top1) == (1, 0.75)
    assert result.answers is None
    with pytest.raises(UserError, match="precision needs a model that"):
        export_tflite(
            *(multi_label, path), verification=(images, labels), precision=0.9
        )


@pytest.mark.parametrize(
    "kind",
    slow_except(["float32", "io", "keras", "saved", "onnx"], "io", "keras"),
)
def test_files_with_labels_are_not_scored_on_classes(
    multi_label, images, tmp_path, kind
):
    """But they are classified, each label with its own probability."""
    path = tmp_path / f"labels.{kind}"
    (tmp_path / "labels.txt").write_text("\n".join(NAMES))
    if kind == "keras":
        multi_label.save(path)
    elif kind == "saved":
        write_saved_model(multi_label, path)
    elif kind == "onnx":
        path.write_bytes(onnx_file(multi_label, NAMES))
    else:
        path = path.with_suffix(".tflite")
        export_tflite(
            *(multi_label, path),
            format="int8" if kind == "io" else "float32",
            io="int8" if kind == "io" else "uint8",
            labels=NAMES,
            representative_images=images,
            min_agreement=0,
        )
    classifier = Classifier(path)
    assert classifier.is_multi_label
    np.testing.assert_allclose(
        classifier(images), multi_label.predict(images, verbose=0), atol=0.05
    )
    with pytest.raises(UserError, match="gives any number of 4 labels"):
        match_classes(classifier, EvaluationSet("photos", NAMES, 4, list))
    labels, _ = match_classes(classifier, EvaluationSet("photos", [], 4, list))
    assert labels


def test_one_sigmoid_gets_a_threshold(images, tmp_path):
    model, path = network(HEADS["one sigmoid"]), tmp_path / "is_it.tflite"
    is_it = np.arange(20) % 2
    result = export_tflite(
        *(model, path),
        format="float32",
        verification=(images, is_it),
        precision=0.5,
    )
    sure = outputs(path.read_bytes(), images)[:, 0]
    expected = ((sure > 0.5) == is_it).mean()
    assert result.top1 == pytest.approx(expected)
    assert result.threshold.images == 20


def test_r_squared_is_that_of_scikit_learn():
    from sklearn.metrics import r2_score

    random = np.random.default_rng(0)
    expected = random.normal(5, [1, 3], (50, 2))
    outputs = expected + random.normal(0, 0.5, (50, 2))
    assert r_squared(outputs, expected) == pytest.approx(
        r2_score(expected, outputs, multioutput="variance_weighted")
    )
    assert r_squared(expected.mean(0) + 0 * expected, expected) < 1e-9
    assert r_squared(np.nan * expected, expected) == 0
    # What hardly varies is compared with its magnitude.
    flat = np.full((50, 2), 40.0)
    assert r_squared(flat + 1e-5, flat) > 0.99
    assert r_squared(flat + 1, flat) == 0


@pytest.mark.parametrize(
    ("images", "differing", "is_refused"),
    [
        (40, 1, False),
        (40, 3, False),
        (40, 4, True),
        (20, 2, False),
        (20, 10, True),
        (2, 2, True),
        (1, 1, True),
        (5000, 100, False),
        (5000, 150, True),
    ],
)
def test_a_file_is_refused_if_its_images_show_it(
    tmp_path, images, differing, is_refused
):
    """For an agreement of 0.98: 39 of 40 images do not."""
    reference = reference_of(np.eye(2)[np.zeros(images, int)])
    answers = iter(np.arange(images + 1) < differing)
    path = tmp_path / "file"
    path.touch()
    result = compare(path, "x", answering(answers, images), reference)
    assert result.agreement == pytest.approx(1 - differing / images)
    low, high = result.agreement_interval
    assert low <= result.agreement <= high
    assert result.falls_short(0.98) == is_refused
    assert result.falls_short(1) == (differing > 0)
    assert not result.falls_short(0)
    assert (
        f"{images - differing:,} of {images:,}" in result.describe_agreement()
    )


def reference_of(expected):
    """A `Reference` whose images have one pixel, and these outputs."""
    model = network(HEADS["softmax"])
    reference = Reference.of_arrays(model, np.zeros((1, 16, 16, 3), "uint8"))
    reference.outputs = np.float32(expected)
    reference.batches = lambda: iter([np.zeros((len(expected), 1, 1, 1))])
    return reference


def answering(is_other, images):
    """A function that names class 1 where it is told to, each image once."""
    count = iter(range(10**9))

    def run(image):
        other = next(count) < images and next(is_other)
        return np.eye(2)[[int(other)]]

    return run
