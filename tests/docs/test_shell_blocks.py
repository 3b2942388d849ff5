"""The shell blocks of README and docs.

- The parser of its program takes every command line, and the files, folders and
  tests that it names exist.
- Besides, the commands that `is_run` selects are run, in the folder of a reader
  who has photos and has trained and exported networks. A training on the pages
  of `TRAINED` is cut to one step and is a dry run elsewhere; files are verified
  on few images.
- Not run are installations, the tests and what measures for minutes; ImageNet,
  which is downloaded; JAX, which needs a separate interpreter; and the demo
  page, a server. Most of these have tests of their own.
"""

import importlib
import json
import shutil

import numpy as np
import pytest

from keras_convmixer.training import RECIPES
from keras_convmixer.utils.commands import Parser
from tests.docs.code_blocks import (
    BLOCKS,
    commands_of,
    program_of,
    write_photographs,
)
from tests.processes import ROOT, run_command

SHELL = [block for block in BLOCKS if block.language == "sh" and block.runs]
TRAIN = "keras_convmixer.command_line.train"
EXPORT = "export.__main__"
BENCHMARK = "export.benchmark"
TABLES = "benchmarks.tables"
# Programs that take a second or two.
QUICK = (
    TABLES,
    "export.classify",
    "export.evaluate",
    "keras_convmixer.command_line.convert_weights",
    "keras_convmixer.command_line.list_networks",
)
# Options by which nothing is trained.
PRINTING = ("--dry-run", "--show-recipe")
TRAINED = ("README.md", "training.md")
ONE_STEP = [
    *("--epochs", "1", "--limit-steps", "1"),
    *("--batch-size", "4", "--image-size", "28"),
]
CIFAR10_CLASSES = [
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
]
FIXTURES = ROOT / "tests" / "fixtures"
STOPPED = FIXTURES / "format_0"


def is_run(words):
    """Whether a command line is not only parsed."""
    module, arguments = program_of(words)
    return (
        module in (*QUICK, TRAIN, EXPORT, BENCHMARK)
        and not words[0].startswith("KERAS_BACKEND=")
        and not any("imagenet" in argument for argument in arguments)
    )


def is_quick(words):
    module, arguments = program_of(words)
    if module == TRAIN:
        return "--show-recipe" in arguments
    return module in QUICK and "--plots" not in arguments


def commands_to_run():
    """Each command line that is run, once, as a parameter of a test."""
    places = {}
    for block in SHELL:
        for words in commands_of(block.code):
            places.setdefault(tuple(words), block.place)
    return [
        pytest.param(
            words,
            place.partition(":")[0] in TRAINED,
            id=f"{place} {' '.join(words)}",
            marks=() if is_quick(words) else pytest.mark.slow,
        )
        for words, place in places.items()
        if is_run(words)
    ]


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """A folder of tensorflow-datasets that has a CIFAR-10 of a few images."""
    import tensorflow_datasets as tfds

    random = np.random.default_rng(0)
    cifar10 = tfds.builder_cls("cifar10")
    with tfds.core.registered.skip_registration():

        class Builder(cifar10):
            name = "cifar10"

            def _split_generators(self, dl_manager):
                # The original reads them from the archive that it downloads.
                self.info.features["label"].names = CIFAR10_CLASSES
                return {
                    "train": self._generate_examples(40),
                    "test": self._generate_examples(20),
                }

            def _generate_examples(self, count):
                for number in range(count):
                    pixels = random.integers(0, 256, (32, 32, 3))
                    yield (
                        number,
                        {
                            "id": f"{number}",
                            "image": pixels.astype("uint8"),
                            "label": number % 10,
                        },
                    )

    folder = tmp_path_factory.mktemp("tfds")
    Builder(data_dir=folder).download_and_prepare()
    return folder


@pytest.fixture(scope="module")
def reader(digits_export, tmp_path_factory):
    """The folder of a reader who has photos, and exported trainings.

    All of them are trainings on digits, for which the photos have digits as
    names of their classes.
    """
    folder = tmp_path_factory.mktemp("reader")
    write_photographs(folder, {"0": "china", "1": "flower"}, 40)
    shutil.copytree(folder / "photos", folder / "newer")
    for name in ("digits", "cifar10", "photos", "flowers"):
        run = shutil.copytree(digits_export.parent, folder / "runs" / name)
        (run / "export" / "digits_int8.tflite").rename(
            run / "export" / f"{name}_int8.tflite"
        )
    return folder


@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.place)
def test_shell_commands_are_taken(block, reader, monkeypatch):
    monkeypatch.chdir(reader)
    for command in commands_of(block.code):
        module, arguments = program_of(command)
        if module == TABLES:
            assert not arguments  # It has no parser.
        elif module:
            take(module, arguments, monkeypatch)


def write_network_for_photos(path):
    RECIPES["photographs"].build(classes=2).save(path)


def write_cifar10_network(path):
    """As the page does in Python."""
    path.with_name("labels.txt").write_text("\n".join(CIFAR10_CLASSES))
    RECIPES["cifar10_cpu"].build(classes=10, weights="cifar10").save(path)


def write_checkpoint(path):
    shutil.copy(FIXTURES / "timm_golden" / "relu_k7_p14.safetensors", path)


# What a reader has from elsewhere, by its name in the pages.
FILES = {
    "cifar10.keras": write_cifar10_network,
    "model.keras": write_network_for_photos,
    "model.safetensors": write_checkpoint,
}


@pytest.mark.parametrize(("words", "is_trained"), commands_to_run())
def test_a_command_runs(words, is_trained, reader, tmp_path, request):
    here = shutil.copytree(reader, tmp_path / "here")
    module, arguments = program_of(list(words))
    program = words[1 : len(words) - len(arguments)]
    if words[0] == "convmixer":
        program = ("-m", "keras_convmixer", *program)
    elif program == ("train.py",):
        program = (ROOT / "train.py",)
    for name in arguments:
        if name in FILES:
            FILES[name](here / name)
    if "--dataset cifar10" in " ".join(words):  # Not `--weights cifar10`.
        arguments += ["--data-dir", request.getfixturevalue("datasets")]
    arguments = shortened(module, arguments, here, is_trained)
    assert run_command(*program, *arguments, cwd=here).stdout


def shortened(module, arguments, here, is_trained):
    """The arguments of a command that takes seconds, and what it needs."""
    if module == BENCHMARK:
        return [*here.glob(arguments[0]), "--seconds", "0.01"]
    if module == EXPORT:
        epochs = ["--epochs", "1"] if "int8_qat" in arguments else []
        return [*arguments, *epochs, "--images", "20"]
    if module != TRAIN or set(PRINTING) & set(arguments):
        return arguments
    if "--resume" in arguments:
        run = here / arguments[arguments.index("--resume") + 1]
        photos = here / "new" / "place" / "photos"
        shutil.rmtree(run)
        write_stopped_run(run, photos)
        return [str(photos) if "/new/" in a else a for a in arguments]
    if "--run" in arguments:
        run = here / arguments[arguments.index("--run") + 1]
        shutil.rmtree(run, ignore_errors=True)
    return [*arguments, *ONE_STEP, *([] if is_trained else ["--dry-run"])]


def write_stopped_run(run, photos):
    """A training that was stopped, and its photos."""
    shutil.copytree(STOPPED / "interrupted", run)
    shutil.copytree(STOPPED / "photos", photos)
    config = json.loads((run / "config.json").read_text())
    config["source"]["image_folder"] = str(photos)
    (run / "config.json").write_text(json.dumps(config))


def exit_status(main, arguments):
    try:
        main(arguments)
    except SystemExit as end:
        return end.code
    return 0


class ParsedError(Exception):
    """Raised in place of what a program does after it took its arguments."""


def take(module, arguments, monkeypatch):
    """Asserts that a program takes its arguments."""
    program = importlib.import_module(module)
    if hasattr(program, "parse_arguments"):
        # Some options print and end.
        assert not exit_status(program.parse_arguments, arguments)
        return
    parse = Parser.parse_args

    def parse_and_stop(*arguments):
        parse(*arguments)
        raise ParsedError

    with monkeypatch.context() as patch:
        patch.setattr(Parser, "parse_args", parse_and_stop)
        with pytest.raises(ParsedError):
            program.main(arguments)


@pytest.mark.parametrize(
    "line",
    [
        "convmixer trian",
        "convmixer train --epoch 3",
        "convmixer list --all",
        "python -m export runs/digits --epochs 3",
        "python -m benchmarks.training 256/8/k5/p2@32 --replica 2",
        "python -m pytest tests/no_such_test.py",
        "pip install '.[exports]'",
        "pip install -r no_such_file.txt",
        "npm ci --prefix no_such_folder",
        "no_such_program",
    ],
)
def test_a_command_that_does_not_exist_is_found_out(line, monkeypatch):
    (command,) = commands_of(line)
    with pytest.raises((AssertionError, KeyError, SystemExit)):
        take(*program_of(command), monkeypatch)
