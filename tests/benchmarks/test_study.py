"""The study trains each network once; rivals and changes are what they say."""

import csv
import time

import keras
import numpy as np
import pytest

from benchmarks import rivals
from benchmarks.study import questions, run_study
from benchmarks.study.changes import changed_network
from benchmarks.study.questions import Subject
from benchmarks.study.training import build, multiply_adds, train
from keras_convmixer import ConvMixer
from keras_convmixer.data import Source
from keras_convmixer.training.fast_layers import for_training
from keras_convmixer.variants import parse_variant
from tests.helpers import run_program
from tests.processes import forks


def test_the_study_is_written_and_resumed(tmp_path, monkeypatch):
    asked = {
        "kernel": [Subject("8/1/k3/p2", "covariance, frozen")],
        "patch": [Subject("8/1/k3/p2", "covariance, frozen")],
    }
    monkeypatch.setattr(run_study, "questions", lambda size: asked)
    output = tmp_path / "study.csv"
    arguments = (
        *("--dataset", "digits", "--recipe", "digits", "--size", 8),
        *("--seeds", 1, "--epochs", 1, "--pictures", tmp_path),
        *("--runs", tmp_path / "runs", "--output", output),
    )
    printed = run_program(run_study.main, *arguments)
    of_kernel, of_patch = csv.DictReader(output.read_text().splitlines())
    assert of_patch == of_kernel | {"question": "patch"}
    (run,) = (tmp_path / "runs").iterdir()
    model = keras.saving.load_model(run / "model.keras")
    images, labels = next(
        Source("digits").load(8).held_out.batch(360).as_numpy_iterator()
    )
    right = model.predict(images, verbose=0).argmax(-1) == labels
    assert float(of_kernel["top1"]) == pytest.approx(
        100 * right.mean(), abs=0.005
    )
    assert f"| {float(of_kernel['top1']):.2f} " in printed
    keras.utils.set_random_seed(0)
    drawn = build("8/1/k3/p2", "covariance, frozen", 8, 10)
    name = "block_0_depthwise"
    np.testing.assert_array_equal(
        model.get_layer(name).kernel, drawn.get_layer(name).kernel
    )
    assert int(of_kernel["multiply_adds"]) == multiply_adds(model)
    for picture in ("kernel", "patch", "kernels_3"):
        assert (tmp_path / f"study_{picture}.png").stat().st_size > 1000

    # What is in the file is not trained again.
    written = output.read_bytes()
    run.rename(tmp_path / "moved")
    run_program(run_study.main, *arguments)
    assert output.read_bytes() == written
    assert not run.exists()


def test_a_training_that_was_stopped_goes_on(tmp_path):
    row = {
        "dataset": "digits",
        "recipe": "digits",
        "image_size": 8,
        "epochs": 4,
        "network": "8/1/k3/p2",
        "change": "",
        "learning_rate": 0.01,
        "seed": 0,
    }
    whole = train(row, data_dir=None, folder=tmp_path / "whole")
    folder = tmp_path / "stopped"
    process = forks.Process(target=train, args=(row, None, folder))
    process.start()
    while not (folder / "backup.weights.h5").exists():
        time.sleep(0.01)
    process.kill()
    process.join()
    assert not (folder / "model.keras").exists()
    resumed = train(row, data_dir=None, folder=folder)
    del whole["images_a_second"], resumed["images_a_second"]
    assert resumed == whole


def test_a_question_that_is_not_there(capsys):
    with pytest.raises(SystemExit) as stop:
        run_study.main(["--only", "kernels"])
    assert stop.value.code == 2
    assert "Did you mean 'kernel'?" in capsys.readouterr().err


def test_rivals_need_their_learning_rates(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run_study.main(
            ["--only", "rivals", "--output", str(tmp_path / "s.csv")]
        )
    assert stop.value.code == 2
    assert "--only 'learning rate'" in capsys.readouterr().err


def parameters(model):
    return sum(np.prod(weight.shape) for weight in model.trainable_weights)


def test_rivals_have_the_published_parameters():
    resnet = rivals.ResNet(blocks=3, width=16, image_size=32, classes=10)
    assert parameters(resnet) == 269_722  # 0.27 M in the paper's table 6.
    # 40.55 million, of which pytorch-resnet-cifar10 lists 0.041 G.
    assert multiply_adds(resnet) == 40_551_040
    # ViT-Base/16 without its class token: 12 (12 d^2 + 13 d) and the rest.
    dim, places = 768, 196
    vit = rivals.ViT(
        dim=dim, depth=1, heads=12, patch_size=16, image_size=224, classes=1000
    )
    block = 12 * dim**2 + 13 * dim
    around = (768 + places) * dim + 2 * dim + (dim + 1) * 1000
    assert parameters(vit) == block + around
    # Mixer-S/16: 18.5 million in the paper's table 1.
    mixer = rivals.MLPMixer(
        dim=512, depth=8, patch_size=16, image_size=224, classes=1000
    )
    assert round(parameters(mixer) / 1e6, 1) == 18.5


@pytest.mark.parametrize("name", questions.RIVALS)
def test_rivals_are_as_large_as_ours(name):
    rival = build(name, "", size=32, classes=10)
    aim = parameters(build(questions.OURS, "", size=32, classes=10))
    assert parameters(rival) == pytest.approx(aim, rel=0.03)
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    assert rival(images).shape == (2, 10)
    trained = for_training(rival, replicas=1, one_cpu=True)
    np.testing.assert_allclose(trained(images), rival(images), atol=1e-6)


def test_costs_are_equal():
    base = build(questions.BASE, "", size=32, classes=10)
    for question in ("kernel at equal cost", "patch at equal cost"):
        for subject in questions.questions(32)[question]:
            model = build(subject.network, "", size=32, classes=10)
            assert multiply_adds(model) == pytest.approx(
                multiply_adds(base), rel=0.03
            )


def test_a_change_changes_what_it_says():
    variant = parse_variant("8/2/k3/p2@8")
    image = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3))
    original = ConvMixer(
        **variant.arguments, input_shape=(8, 8, 3), classes=1000
    )
    same = changed_network(variant, change="")
    same.set_weights(original.get_weights())
    np.testing.assert_array_equal(same(image), original(image))

    def count(change, kind):
        model = changed_network(variant, change)
        return sum(type(layer).__name__ == kind for layer in model.layers)

    assert count("no residual", "Add") == 0
    assert count("residual around both", "Add") == 4
    assert count("LayerNorm", "LayerNormalization") == 4
    assert count("no depthwise", "DepthwiseConv2D") == 0
    kinds = [
        type(layer).__name__
        for layer in changed_network(variant, "norm in front").layers
    ]
    first = kinds.index("DepthwiseConv2D")
    assert kinds[first - 1 : first + 2] == [
        *("BatchNormalization", "DepthwiseConv2D", "Activation"),
    ]
