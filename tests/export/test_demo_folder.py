"""The folder that the demo writes, and its server."""

import json
from urllib.request import urlopen

import pytest

from export.demo import (
    check_own,
    exported_models,
    main,
    parse_arguments,
    write_kept,
)
from export.demo_server import serve
from export.metadata import add_metadata
from export.tflite import convert
from keras_convmixer import ConvMixer
from keras_convmixer.runs.run_folder import RunFolder
from keras_convmixer.utils.checks import UserError
from tests.browser import served


@pytest.fixture
def exported(tmp_path):
    """A run folder with a file of each interface."""
    network = ConvMixer(8, 1, 3, 4, input_shape=(16, 16, 3), classes=2)
    contents = add_metadata(convert(network, "float32"), "f", "", ["a", "b"])
    folder = tmp_path / "run" / "export"
    folder.mkdir(parents=True)
    files = [
        {"file": "run_int8.tflite", "format": "int8", "io": "uint8"},
        {"file": "run_int8_io_int8.tflite", "format": "int8", "io": "int8"},
    ]
    for row in files:
        (folder / row["file"]).write_bytes(contents)
    (folder / "report.json").write_text(json.dumps({"files": files}))
    return RunFolder(tmp_path / "run")


def test_files_that_take_int8_are_not_offered(exported):
    offered = [model["file"] for model in exported_models(exported)]
    assert offered == ["run_int8.tflite"]


def test_what_is_kept_has_a_version_of_its_contents(tmp_path):
    (tmp_path / "app.js").write_text("1")
    (tmp_path / "vision_wasm_nosimd_internal.wasm").write_text("old")
    kept = []
    for text in ("1", "1", "2"):
        (tmp_path / "app.js").write_text(text)
        (tmp_path / "kept.js").unlink(missing_ok=True)
        write_kept(tmp_path)
        kept.append((tmp_path / "kept.js").read_text())
    assert kept[0] == kept[1] != kept[2]
    assert '["./", "app.js"]' in kept[0]


def test_an_output_that_exists_is_refused(exported, tmp_path, capsys):
    assert parse_arguments(["run", "--host", "0.0.0.0"]).host == "0.0.0.0"
    (tmp_path / "site").mkdir()
    with pytest.raises((SystemExit, UserError)):
        main([str(exported.path), "--output", str(tmp_path / "site")])
    assert "--output must be a new folder" in capsys.readouterr().err


def test_a_folder_that_is_not_of_the_demo_is_left_alone(exported, capsys):
    folder = exported.path / "demo"
    folder.mkdir()
    own = folder / "index.html"
    own.write_text("a demo of my own")
    with pytest.raises((SystemExit, UserError)):
        main([str(exported.path), "--port", "0"])
    assert "has index.html, which is not of the demo" in capsys.readouterr().err
    assert own.read_text() == "a demo of my own"
    # What the demo itself writes is replaced, and nothing beside it.
    (folder / "files.json").write_text('[{"file": "run_int8.tflite"}]')
    (folder / "run_int8.tflite").touch()
    check_own(folder)
    for other in ("talk.pptx", "mine.tflite"):
        (folder / other).touch()
        with pytest.raises(UserError, match=other):
            check_own(folder)
        (folder / other).unlink()


def test_files_that_were_removed_are_named(exported, capsys):
    (exported.export_folder / "run_int8.tflite").unlink()
    assert exported_models(exported) == []
    assert "run_int8.tflite is left out" in capsys.readouterr().out


def test_an_address_that_can_not_be_had_is_a_line(tmp_path):
    with served(tmp_path) as place:
        port = int(place.rsplit(":")[-1].strip("/"))
        with pytest.raises(UserError, match=f"--port {port} .*--port 0"):
            serve(tmp_path, "127.0.0.1", port)
    with pytest.raises(UserError, match="--host must be an address"):
        serve(tmp_path, "", 0)


def test_browsers_ask_for_files_that_may_have_changed(tmp_path):
    (tmp_path / "app.js").write_text("")
    with served(tmp_path) as place, urlopen(f"{place}app.js") as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Type"] == "text/javascript"
