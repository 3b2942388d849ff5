"""Every mistake of a user is one line, exit status 2, and nothing is written.

Each row is what is written after `convmixer`, and is refused by its `main` in
this process; those that set TensorFlow up, or show how a process ends, are real
commands. `{name}` stands for a path: `here` is an empty folder, the others are
made by `stage`.
"""

import json
import shlex
import shutil
import signal

import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_convmixer.command_line.convmixer import main
from tests.helpers import slow_cases, timm_checkpoint
from tests.processes import ROOT, run_command

TRAIN = str(ROOT / "train.py")
EXPORT = "-m export"
CONVMIXER = "-m keras_convmixer"
CLUSTER = (
    '{"cluster": {"worker": ["a:1", "b:1"]}, '
    '"task": {"type": "worker", "index": 1}}'
)
SMALL = "--epochs 1 --limit-steps 1 --model 8/1/k3/p2@8"


@pytest.fixture(scope="module")
def stage(digits_run, tmp_path_factory):
    """What the commands are given: runs, files and folders, some of them bad.

    Returns:
        Paths by name.
    """
    stage = tmp_path_factory.mktemp("stage")
    (stage / "file").write_text("contents")
    (stage / "holds_something").mkdir()
    (stage / "holds_something" / "kept").write_text("kept")
    for name in ("newer", "torn", "odd", "untrained", "bare"):
        (stage / name).mkdir()
        for file in ("config.json", "labels.txt", "history.csv"):
            shutil.copy(digits_run / file, stage / name)
    change_config(stage / "newer", lambda config: config.update(format=99))
    change_config(stage / "odd", lambda config: config["recipe"].update(dim=""))
    (stage / "torn" / "config.json").write_text("{")
    (stage / "bare" / "model.keras").write_bytes(b"no archive")

    (stage / "model.tflite").write_bytes(b"no such thing")
    (stage / "model.keras").write_bytes(b"no such thing")
    (stage / "model.safetensors").write_bytes(b"no such thing")
    save_file(timm_checkpoint(dim=16), stage / "other.safetensors")
    torn = timm_checkpoint()
    del torn["blocks.0.0.fn.0.weight"]
    save_file(torn, stage / "torn.safetensors")
    save_file({"x": np.zeros(3)}, stage / "foreign.safetensors")
    paths = {path.name.replace(".", "_"): path for path in stage.iterdir()}
    return paths | {"stage": stage, "finished": digits_run}


def change_config(run, change):
    config = json.loads((run / "config.json").read_text())
    change(config)
    (run / "config.json").write_text(json.dumps(config))


def listing(folder):
    """What is there, and when files were written: a lock touches folders."""
    return {
        path: None if path.is_dir() else path.stat().st_mtime_ns
        for path in folder.rglob("*")
    }


def check_refusal(status, printed, words, here):
    assert status == 2, printed
    (line,) = printed.splitlines()
    assert line.startswith("error: ")
    assert words in line
    assert not list(here.iterdir())


@pytest.fixture
def refused(stage, tmp_path, monkeypatch, capsys):
    """Calls `convmixer` in an empty folder, and asserts how it refuses."""

    def refused(arguments, words):
        before = listing(stage["stage"])
        arguments = shlex.split(arguments.format(here=tmp_path, **stage))
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        printed = capsys.readouterr().err
        words = words.replace("{finished}", str(stage["finished"]))
        check_refusal(stop.value.code, printed, words, tmp_path)
        assert listing(stage["stage"]) == before

    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    yield refused
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.fixture
def refused_in_a_process(stage, tmp_path):
    """The same of a command in a process of its own."""

    def refused(command, words):
        before = listing(stage["stage"])
        command = shlex.split(command.format(here=tmp_path, **stage))
        done = run_command(*command, cwd=tmp_path, check=False)
        check_refusal(done.returncode, done.stderr, words, tmp_path)
        assert listing(stage["stage"]) == before

    return refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("trian", "unknown command 'trian'. Did you mean 'train'?"),
        ("exports r", "Did you mean 'export'?"),
        ("--versio", "unknown argument '--versio'. Did you mean '--version'?"),
        ("''", "after 'convmixer' must not be empty"),
        ("train ''", "after 'convmixer train' must not be empty"),
        ("list surplus", "unknown argument 'surplus'"),
    ],
)
def test_convmixer(arguments, words, refused):
    refused(arguments, words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--epochs 0", "--epochs: must be a positive integer, not '0'"),
        ("--epochs three", "--epochs: must be a positive integer, not 'three'"),
        ("--epoch 3", "Did you mean '--epochs'?"),
        ("surplus", "unknown argument 'surplus'"),
        ("--image-folder ''", "after '--image-folder' must not be empty"),
        ("--run ''", "after '--run' must not be empty"),
        ("--batch-size 1.5", "--batch-size: must be a positive integer"),
        ("--learning-rate -1", "--learning-rate: must be a positive number"),
        ("--learning-rate nan", "--learning-rate: must be a positive number"),
        ("--weight-decay 2", "--weight-decay: must be a number from 0 to 1"),
        ("--label-smoothing 2", "--label-smoothing: must be a number from 0"),
        ("--ema 1.5", "--ema: must be a number from 0 to 1"),
        ("--accumulation 0", "--accumulation: must be a positive integer"),
        ("--shift -0.1", "--shift: must be a number from 0 to 1"),
        ("--crop 0", "--crop: must be more than 0 and at most 1"),
        (
            "--aliased-resize 2",
            "--aliased-resize: must be a number from 0",
        ),
        ("--aliased-resize 0.5", "crop must be below 1. Received: 1.0, of the"),
        ("--rand-augment 11", "--rand-augment: must be a number from 0 to 10"),
        ("--erasing 2", "--erasing: must be a number from 0 to 1"),
        ("--mixup -1", "--mixup: must be a number from 0 to 1"),
        ("--cutmix some", "--cutmix: must be a number from 0 to 1"),
        ("--freeze 1", "freeze needs weights"),
        ("--freeze -1", "--freeze: must be an integer from 0"),
        ("--mixed-precision int8", "'float16', 'bfloat16'"),
        ("--seed -1", "--seed: must be an integer from 0 to 4294967295"),
        ("--limit-steps 0", "--limit-steps: must be a positive integer"),
        ("--replicas 0", "--replicas: must be a positive integer"),
        ("--backup-minutes 0", "--backup-minutes: must be a positive number"),
        ("--image-size 0", "--image-size: must be an integer from 1 to 4096"),
        ("--model convmixer_768_23", "Did you mean 'convmixer_768_32'?"),
        ("--model 64/4/k7", "'DIM/DEPTH/kKERNEL/pPATCH[/ACTIVATION]"),
        ("--model 0/4/k7/p1", "dim must be a positive integer"),
        ("--recipe cifar100", "Did you mean 'cifar10'?"),
        ("--broken-images keep", "'skip', 'error'"),
        ("--duplicates error", "duplicates is for an image folder"),
        ("--dataset digits --test-folder {here}", "for an image folder"),
        ("--image-folder {here} --test-folder x", "test_folder must be a"),
        ("--dataset digits --image-folder {here}", "not both"),
        ("--dataset digits --data-dir {here}", "data_dir is for the data sets"),
        ("--resume {here}", "is not the folder of a training"),
        ("--resume {stage}/missing", "is not the folder of a training"),
        ("--resume {finished}", "is finished: it has a metrics.json"),
        ("--resume {finished} --epochs 9", "train --weights {finished}/model"),
        ("--resume {odd} --seed 0", "the run has all other options"),
        ("--resume={odd} --run=r", "Received: --run"),
        ("--resume {newer}", "upgrade keras_convmixer"),
        ("--resume {torn}", "config.json can't be read"),
        ("--resume {odd}", "dim of its recipe must be <class 'int'>"),
        ("--run {file}", "must be a new or empty folder"),
        ("--run {holds_something}", "must be a new or empty folder"),
        ("--weights imagnet", "Did you mean 'imagenet'?"),
        ("--weights imagenet", "weights='imagenet' exist for"),
        ("--weights {stage}/missing.keras", "there is no file"),
        ("--weights x.weights.h5", "Convert it: model.load_weights(...)"),
    ],
)
def test_train(arguments, words, refused):
    refused(f"train {arguments}", words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--epochs 0", "--epochs: must be a positive integer, not '0'"),
        ("--batch-size 65 --replicas 2", "must divide by the number of"),
        ("--batch-size 2000", "batch_size must be at most 1437"),
        ("--dataset cifar01", "Did you mean 'cifar10'?"),
        (f"{SMALL} --run /proc/run", "/proc"),
        ("--weights {other_safetensors}", "does not fit the network"),
        *slow_cases(
            ("--accumulation 2 --replicas 2", "with one replica only"),
            ("--replicas 99 --batch-size 99", "replicas must be at most 64"),
            ("--image-size 9 --model 8/1/k3/p2", "multiples of patch_size=2"),
            ("--model 9999/999/k7/p1", "at most 1,073,741,824 parameters"),
            ("--model 8/1/k3/p1/gelo", "gelo"),
            ("--dataset cifar10/none", "dataset cifar10/none: "),
            ("--dataset coco", "is not an image classification set"),
            (f"{SMALL} --run {{file}}/run", "Not a directory"),
            (
                "--weights {model_keras}",
                "is not a Keras model that can be read",
            ),
            ("--weights {finished}/model.keras --freeze 9", "from 0 to 4"),
        ),
    ],
)
def test_train_in_a_process(arguments, words, refused_in_a_process):
    refused_in_a_process(f"{TRAIN} {arguments}", words)


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        ("{", "TF_CONFIG must be"),
        ('{"cluster": {"ps": ["a:1"]}}', "TF_CONFIG must be"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', "TF_CONFIG must be"),
        (CLUSTER.replace("1}", "2}"), "TF_CONFIG must be"),
        (CLUSTER, "need a run, the same on each"),
    ],
)
def test_train_on_a_cluster(cluster, words, refused, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", cluster)
    refused("train", words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("export {here}", "is not the folder of a training"),
        ("export {untrained}", "it has no model.keras"),
        ("export {newer}", "upgrade keras_convmixer"),
        ("export {finished} --formats int9", "Did you mean 'int8'?"),
        ("export {finished} --format int8", "Did you mean '--formats'?"),
        ("export {finished} --min-agreement 2", "a number from 0 to 1"),
        ("export {finished} --images 0", "a positive integer"),
        ("export {finished} --epochs 2", "needs --formats int8_qat"),
        ("export {finished} --io int8", "--io int8 needs --formats int8"),
        ("export {finished} --io int4", "'uint8', 'int8'"),
        ("classify {file} x.png", "ends in .tflite"),
        ("classify none.tflite x.png", "FILE must be a file"),
        ("classify {model_keras} x.png", "needs the names of its classes"),
        ("classify {finished}/model.keras x.png", "x.png can't be"),
        ("classify {model_tflite}", "required: IMAGE"),
        ("classify {model_tflite} x --top 0", "--top: must be"),
        ("evaluate {file} --dataset digits", "ends in .tflite"),
        ("evaluate {finished}", "give --image-folder or --dataset"),
        ("evaluate {finished} --dataset digit", "Did you mean 'digits'?"),
        ("evaluate {finished} --dataset digits --split x", "digits has none"),
        ("evaluate {finished} --image-folder x --split y", "needs --dataset"),
        ("evaluate {finished} --image-folder {file}", "must be a folder"),
        ("evaluate {finished} --image-folder {here}", "must hold pictures"),
        ("evaluate {here} --dataset digits", "not the folder of a training"),
        ("evaluate {finished} --dataset digits --labels none.txt", "none.txt"),
        ("evaluate {finished} --dataset digits --labels {file}", "1 labels"),
        ("evaluate {finished} --dataset digits --json a/b", "no folder a"),
        ("evaluate {finished} --dataset digits --heatmaps 1", "needs --plots"),
        (
            "evaluate {model_tflite} --dataset digits --plots x --heatmaps 1",
            "--heatmaps needs a run or a .keras file",
        ),
        ("benchmark none.tflite", "none.tflite"),
        ("demo {finished} --port 70000", "from 0 to 65535"),
    ],
)
def test_export(arguments, words, refused):
    refused(arguments, words)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (f"{EXPORT} {{bare}}", "is not a Keras model that can be read"),
        (f"{EXPORT}.classify {{model_tflite}} x.png", "model.tflite can't be"),
        (f"{EXPORT}.benchmark {{model_tflite}}", "model.tflite can't be run"),
        (f"{EXPORT}.demo {{bare}}", "is not exported"),
        (f"{CONVMIXER} trian", "Did you mean 'train'?"),
        (f"{CONVMIXER} export {{bare}}", "is not a Keras model that can be"),
    ],
)
def test_export_in_a_process(command, words, refused_in_a_process):
    refused_in_a_process(command, words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("{file} out.keras", "must be a .safetensors file"),
        ("{model_safetensors} out.h5", "must be a .keras file"),
        ("none.safetensors out.keras", "there is no file"),
        ("{model_safetensors} out.keras", "is not a safetensors file"),
        ("{foreign_safetensors} out.keras", "is not a timm ConvMixer"),
        ("{torn_safetensors} out.keras", "it lacks 'blocks.0.0.fn.0.weight'"),
        ("{other_safetensors}", "required: output"),
        ("{other_safetensors} none/out.keras", "there is no folder none"),
        ("{other_safetensors} out.keras --image-size 9", "multiples of"),
        ("{other_safetensors} out.keras --activation gelo", "gelo"),
    ],
)
def test_conversion_of_weights(arguments, words, refused):
    refused(f"convert-weights {arguments}", words)


def test_conversion_of_weights_in_a_process(refused_in_a_process):
    arguments = "{model_safetensors} out.keras"
    refused_in_a_process(
        f"{CONVMIXER} convert-weights {arguments}", "is not a safetensors file"
    )
