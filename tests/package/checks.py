"""Checks of an installed package, from outside of the checkout.

The tests run them on the wheel, and `tools.release` on what it releases. They
need nothing but the standard library.
"""

import os
import shutil
import subprocess
from pathlib import Path

PHOTO = Path(__file__).parents[2] / "docs" / "images" / "dahlia.jpg"


def run(*command, cwd, check=True):
    """Runs a command as in a shell that knows nothing of the checkout."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if check:
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def trains_exports_and_classifies(programs, folder):
    """The commands, in an empty folder.

    Args:
        programs: The folder of an environment's programs.
        folder: Where they are run.
    """
    image = shutil.copy(PHOTO, folder)
    convmixer = programs / "convmixer"
    train = (
        *(convmixer, "train", "--epochs", 1, "--run", "r"),
        *("--model", "8/1/k3/p2@8"),
    )
    assert "next: convmixer export r" in run(*train, cwd=folder).stdout
    run(
        *(convmixer, "export", "r", "--formats", "int8"),
        *("--min-agreement", 0),
        cwd=folder,
    )
    (file,) = (folder / "r" / "export").glob("*_int8.tflite")
    done = run(convmixer, "classify", file, image, cwd=folder)
    assert "%" in done.stdout


def finds_the_export_and_the_shipped_weights(programs, folder):
    """What is imported in Python; the arguments are those above."""
    code = (
        "import keras_convmixer, keras_convmixer.export.tflite as t; "
        "print(t.__file__); "
        "m = keras_convmixer.ConvMixer(128, 8, 7, 2, weights='cifar10', "
        "input_shape=(32, 32, 3), classes=10); "
        "print(m.count_params())"
    )
    done = run(programs / "python", "-c", code, cwd=folder)
    file, parameters = done.stdout.split()
    assert Path(file).is_relative_to(programs.parent)
    assert int(parameters) > 100_000
