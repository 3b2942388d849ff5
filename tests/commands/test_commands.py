"""What all commands do: signals, output, errors, the environment."""

import contextlib
import dataclasses
import io
import json
import os
import shlex
import signal
import sys
import threading
from pathlib import Path

import pytest
import tensorflow as tf
from jax.errors import JaxRuntimeError

from keras_convmixer.command_line.convmixer import main
from keras_convmixer.command_line.train import out_of_memory, resumable
from keras_convmixer.runs import RunFolder
from keras_convmixer.training.devices import distribute
from keras_convmixer.training.gpus import is_out_of_memory
from keras_convmixer.utils.backend import (
    check_configuration,
    configured_backend,
)
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.cluster import is_chief, worker_addresses
from keras_convmixer.utils.commands import called_as, command, one_line_errors
from keras_convmixer.utils.processors import (
    cpu_quota,
    num_cpus,
    unused_gpu_warning,
)
from tests.processes import ROOT, run_python

RUN = ROOT / "tests" / "fixtures" / "format_0" / "finished"
CLUSTER = {
    "cluster": {"worker": ["a:1", "b:1"]},
    "task": {"type": "worker", "index": 0},
}


def test_signal_handlers_are_those_of_before():
    numbers = signal.SIGINT, signal.SIGTERM
    before = [signal.getsignal(number) for number in numbers]
    with one_line_errors():
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    with pytest.raises(SystemExit), one_line_errors():
        raise UserError("wrong")
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_command_is_called_from_any_thread(capsys):
    thread = threading.Thread(target=main, args=(["list"],))
    thread.start()
    thread.join()
    assert "convmixer_768_32" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_output_can_be_printed(monkeypatch, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    text = "猫 ü \udcff \u2501"
    with one_line_errors():
        print(text)
    printed = stream.buffer.getvalue().decode(encoding)
    assert (
        printed
        == {
            "ascii": "\\u732b \\xfc \\udcff =\n",
            "latin-1": "\\u732b ü \\udcff =\n",
            "utf-8": "猫 ü \\udcff \u2501\n",
        }[encoding]
    )
    assert stream.errors == "strict"


def test_the_traceback_of_one_line_is_shown_on_request(monkeypatch, capsys):
    for value, expected in (("", False), ("1", True)):
        monkeypatch.setenv("CONVMIXER_TRACEBACK", value)
        with pytest.raises(SystemExit) as stop, one_line_errors():
            raise UserError("wrong")
        assert stop.value.code == 2
        printed = capsys.readouterr().err
        assert printed.endswith("error: wrong\n")
        assert ("Traceback" in printed) == expected


@pytest.mark.parametrize(
    "name", ["my run", "it's", "a[b]*?", "$(x)", "a\\b", "猫", "-run", "a\nb"]
)
def test_a_printed_command_can_be_copied(name):
    words = shlex.split(command("train", "--resume", Path(name)))
    assert words[:3] == ["python", "train.py", "--resume"]
    assert Path(words[3]) == Path(name)
    assert not words[3].startswith("-")
    with called_as("convmixer train"):
        words = shlex.split(command("export", Path(name)))
    assert words[:2] == ["convmixer", "export"]


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "stopped; to go on: python train.py"),
        (tf.errors.UnavailableError(None, None, "x"), 1, "lost a machine"),
        (tf.errors.AbortedError(None, None, "x"), 1, "lost a machine"),
        (tf.errors.CancelledError(None, None, "x"), 1, "lost a machine"),
        (tf.errors.InvalidArgumentError(None, None, "x"), None, ""),
        (tf.errors.InternalError(None, None, "x"), None, ""),
        (RuntimeError("NaN"), None, ""),
    ],
)
def test_only_a_lost_machine_is_called_one(
    monkeypatch, capsys, error, status, words
):
    monkeypatch.setenv("TF_CONFIG", json.dumps(CLUSTER))
    expected = type(error) if status is None else SystemExit
    with pytest.raises(expected) as stop, resumable(RunFolder("my run"), 2):
        raise error
    printed = capsys.readouterr().out
    assert printed.startswith(words)
    if status is None:
        assert not printed
    else:
        assert stop.value.code == status
        assert printed.endswith("--resume 'my run' --replicas 2\n")


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"),
        JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 byte"),
    ],
    ids=["TensorFlow", "JAX"],
)
def test_out_of_memory_is_a_line_that_says_what_to_do(capsys, error):
    with (
        pytest.raises(SystemExit) as stop,
        one_line_errors(),
        resumable(RunFolder(RUN)),
    ):
        raise error
    assert stop.value.code == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert printed.endswith(" --batch-size 4 --accumulation 2\n")


@pytest.mark.parametrize(
    ("batch_size", "accumulation", "replicas", "words"),
    [
        (512, 2, 1, "--batch-size 256 --accumulation 4"),
        (33, 1, 1, "--batch-size 16 --accumulation 2"),
        (512, 1, 4, "with --batch-size 256"),
        (1, 1, 1, "with a smaller --image-size"),
    ],
)
def test_half_the_batch_is_suggested(batch_size, accumulation, replicas, words):
    config = RunFolder(RUN).read_config()
    recipe = config.plan.recipe.replace(
        batch_size=batch_size, accumulation=accumulation
    )
    plan = dataclasses.replace(config.plan, recipe=recipe)
    machine = {"replicas": replicas}
    config = dataclasses.replace(config, plan=plan, machine=machine)
    assert out_of_memory(config).endswith(words)


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "No space left on device"),
        tf.errors.InternalError(None, None, "RESOURCE_EXHAUSTED"),
        JaxRuntimeError("INTERNAL: else"),
    ],
)
def test_a_full_disk_and_other_errors_are_not_out_of_memory(error):
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("value", ["", "  ", "\n", "{}", "null", "[]", '""'])
def test_an_empty_cluster_is_none(monkeypatch, value):
    monkeypatch.setenv("TF_CONFIG", value)
    assert worker_addresses() == []
    assert is_chief()
    assert distribute(1, 8).replicas == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"floatx": "float64"}, "floatx in .* must be one of 'float32'"),
        ({"floatx": "float16"}, "must be one of 'float32'. Received: 'float16"),
        ({"image_data_format": "x"}, "image_data_format in .* must be one of"),
        ({"epsilon": 1}, "epsilon in .* must be a float. Received: 1"),
        ([], "keras.json must be a dict"),
    ],
)
def test_an_unusable_configuration_of_keras_is_one_line(
    monkeypatch, tmp_path, value, words
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(json.dumps(value))
    with pytest.raises(UserError, match=words):
        check_configuration()


def test_no_home_is_needed(monkeypatch, tmp_path):
    """As for a user of a container that has no entry in /etc/passwd."""
    for name in ("KERAS_HOME", "KERAS_BACKEND", "HOME"):
        monkeypatch.delenv(name, raising=False)
    with contextlib.suppress(ImportError):  # Windows.
        import pwd

        def unknown(number):
            raise KeyError(number)

        monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.chdir(tmp_path)
    assert configured_backend() in ("tensorflow", "jax", "torch")
    check_configuration()


@pytest.mark.parametrize(
    ("has_driver", "num_gpus", "visible", "warns"),
    [
        (True, 0, None, True),
        (True, 0, "0,1", True),
        (True, 0, "", False),
        (True, 0, "-1", False),
        (True, 0, " -1,0", False),
        (True, 1, None, False),
        (False, 0, None, False),
    ],
)
def test_a_gpu_that_is_not_used_is_said(has_driver, num_gpus, visible, warns):
    warning = unused_gpu_warning(has_driver, num_gpus, visible)
    assert bool(warning) == warns
    if warns:
        assert "pip install 'tensorflow[and-cuda]'" in warning
        assert "\n" not in warning


@pytest.mark.parametrize(
    ("groups", "membership", "expected"),
    [
        ({"cpu.max": "150000 100000"}, "0::/", 1.5),
        ({"cpu.max": "max 100000"}, "0::/", float("inf")),
        ({"a/cpu.max": "50000 100000"}, "0::/a/b", 0.5),
        # A container sees its own group as the root.
        ({"cpu.max": "200000 100000"}, "0::/docker/123", 2),
        (
            {"cpu/a/cpu.cfs_quota_us": "300000"}
            | {"cpu/a/cpu.cfs_period_us": "100000"},
            "3:cpuset:/\n4:cpuacct,cpu:/a\n0::/",
            3,
        ),
        (
            {"cpu,cpuacct/cpu.cfs_quota_us": "-1"}
            | {"cpu,cpuacct/cpu.cfs_period_us": "100000"},
            "4:cpu,cpuacct:/a",
            float("inf"),
        ),
        ({}, "0::/", float("inf")),
    ],
)
def test_the_quota_of_control_groups(tmp_path, groups, membership, expected):
    for name, text in groups.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (tmp_path / "membership").write_text(membership + "\n")
    quota = cpu_quota(tmp_path / "groups", tmp_path / "membership")
    assert quota == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_cpus_are_those_of_the_affinity():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert num_cpus() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.slow
def test_an_exported_run_needs_no_setting_of_the_backend(monkeypatch, tmp_path):
    image = next((RUN.parent / "photos").rglob("*.png"))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    done = run_python(
        *("-m", "export.classify", RUN, image),
        *("--heatmap", tmp_path / "map.png"),
    )
    assert "stripes" in done.stdout
    assert (tmp_path / "map.png").is_file()


@pytest.mark.slow
def test_a_library_function_says_that_it_needs_tensorflow(
    monkeypatch, tmp_path
):
    pytest.importorskip("jax")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    done = run_python(
        "-c",
        "import keras_convmixer, export\n"
        "from export.run_export import export_run\n"
        "model = keras_convmixer.ConvMixer(\n"
        "    8, 1, 3, 4, input_shape=(16, 16, 3), classes=2)\n"
        "for call in (\n"
        "    lambda: export.export_tflite(\n"
        "        model, 'x.tflite', labels=['a', 'b'], verification=None),\n"
        "    lambda: export_run('x'),\n"
        "):\n"
        "    try:\n"
        "        call()\n"
        "    except ValueError as error:\n"
        "        print(error)",
        cwd=tmp_path,
    )
    for name in ("export_tflite", "export_run"):
        assert (
            f"{name} needs Keras on TensorFlow (KERAS_BACKEND=tensorflow). "
            "Received: jax" in done.stdout
        )
