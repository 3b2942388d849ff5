"""Run folders that earlier versions wrote, and those that were moved."""

import dataclasses
import json
import shutil

import pytest

from export.__main__ import main as export
from export.evaluate import main as evaluate
from export.run_export import export_run
from keras_convmixer.command_line.train import main as train
from keras_convmixer.data.index import read_index
from keras_convmixer.data.source import Source
from keras_convmixer.runs import Plan, Recipe, RunFolder
from keras_convmixer.runs.config import FORMAT, Config
from keras_convmixer.training.options import resume
from keras_convmixer.utils.checks import UserError
from tests.helpers import run_program
from tests.processes import ROOT

FORMAT_0 = ROOT / "tests" / "fixtures" / "format_0"


@pytest.fixture
def old(tmp_path):
    """A copy of the runs and their images, in a folder with an odd name."""
    return shutil.copytree(FORMAT_0, tmp_path / "it's [a]*? \\ ü")


def test_an_old_run_is_exported_and_evaluated(old):
    run, photos = old / "finished", old / "photos"
    with pytest.raises(UserError, match="--image-folder says where they are"):
        RunFolder(run).data()
    done = run_program(evaluate, run, "--image-folder", photos)
    before = done.splitlines()[-1]
    formats = ("--formats", "saved_model", "float32", "--min-agreement", 0)
    run_program(export, run, *formats, "--image-folder", photos)
    # The folder keeps a note of the new place.
    (written,) = export_run(str(run), ["dynamic"], min_agreement=0)
    assert written.path == run / "export" / "finished_dynamic.tflite"
    report = json.loads((run / "export" / "report.json").read_text())
    assert [row["format"] for row in report["files"]] == [
        *("saved_model", "float32", "dynamic"),
    ]
    for name in ("saved_model", "finished_float32.tflite"):
        done = run_program(
            evaluate, run / "export" / name, "--image-folder", photos
        )
        assert done.splitlines()[-1] == before


@pytest.mark.slow
def test_an_old_training_is_resumed(old, capsys):
    run, photos = old / "interrupted", old / "photos"
    history = (run / "history.csv").read_text()
    train(["--resume", str(run), "--image-folder", str(photos)])
    assert (run / "history.csv").read_text().startswith(history)
    assert (run / "history.csv").read_text().count("\n") == 5
    assert json.loads((run / "metrics.json").read_text())["images"] == 4
    # The command that is printed can be copied.
    quoted = str(run).replace("'", "'\"'\"'")
    assert f"next: python -m export '{quoted}'\n" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"is finished: .* --weights '"):
        resume(str(run))


def test_a_test_folder_is_moved_too(old, tmp_path):
    test = shutil.copytree(old / "photos", tmp_path / "test")
    for path in test.rglob("*.png"):
        if path.stem not in "01":
            path.unlink()
    recipe = Recipe(8, 1, 3, 4, 16, 1, 8, 0.01, 0.0)
    source = Source(image_folder=old / "photos", test_folder=test)
    data = source.load(16)
    plan = Plan(recipe, source)
    run = RunFolder.new(str(tmp_path / "run"), plan, data, replicas=1)
    before = run.read_config()
    assert before.machine == {"replicas": 1}
    assert before.plan.replicas is None
    (tmp_path / "deeper").mkdir()
    new = test.rename(tmp_path / "deeper" / "moved")
    again = run.data(test_folder=str(new))
    assert again.num_test == data.num_test == 4
    assert [row.part for row in read_index(run.index_path)] == [
        row.part for row in data.index
    ]
    assert run.data().num_test == 4  # It keeps a note.
    photos = (old / "photos").rename(tmp_path / "photos")
    assert run.data(image_folder=photos).num_train == data.num_train
    (photos / "dots" / "0.png").rename(photos / "dots" / "x.png")
    with pytest.raises(UserError, match=r"vanished: dots/0.png"):
        run.data(image_folder=photos)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("test_folder", "it has no test_folder that can be moved"),
        ("data_dir", "it has no data_dir that can be moved"),
    ],
)
def test_what_a_run_does_not_have_can_not_be_moved(old, name, words):
    with pytest.raises(UserError, match=words):
        RunFolder(old / "finished").data(**{name: str(old)})


@pytest.fixture
def config():
    return json.loads((FORMAT_0 / "finished" / "config.json").read_text())


def optional(kind):
    return [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is not dataclasses.MISSING
    ]


def test_missing_fields_take_their_default(config):
    for name in optional(Plan):
        config.pop(name, None)
    for name in optional(Recipe):
        config["recipe"].pop(name, None)
    config["source"] = {"dataset": "digits"}
    for name in ("versions", "test"):
        del config[name]
    read = Config.from_json(config)
    recipe = Recipe(8, 1, 3, 4, 16, 3, 8, 0.02, 0.005)
    assert read.plan == Plan(recipe, Source("digits"))
    assert Config.from_json(read.as_json()) == read
    assert read.as_json()["format"] == FORMAT


def test_old_names_of_classes_are_composed_as_those_of_folders_are(config):
    config["classes"] = ["cafe\N{COMBINING ACUTE ACCENT}", "tea"]
    assert Config.from_json(config).classes == [
        "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
        "tea",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": FORMAT + 1}, "upgrade keras_convmixer"),
        ({"format": "1"}, "its format must be a number"),
        ({"format": True}, "its format must be a number"),
        ({"new": 1}, "newer version of keras_convmixer. Unknown: new"),
        ({"source": {"dataset": "digits", "new": 1}}, "newer version"),
        ({"recipe": {}}, "its recipe lacks dim, depth"),
        ({"recipe": None}, "its recipe must be a dict"),
    ],
)
def test_what_a_newer_version_wrote_is_refused(config, changes, words):
    with pytest.raises(UserError, match=words):
        Config.from_json(config | changes)
