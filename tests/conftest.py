"""What several tests need: real runs, made once by the real commands."""

import os
import subprocess
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"


def run_command(*arguments, cwd=ROOT, check=True):
    """Runs Python with those arguments, from the repository's top."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if check:
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def shared(*parts):
    """A path in the shared test data; skips the test where there is none."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {'/'.join(parts)}, which is not on this machine")
    return path


def randomize_norms(model, seed=0, extreme=False):
    """Gives every norm random weights and statistics.

    With `extreme` some scales are zero, nearly zero, negative or large.
    """
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape[0]
            gamma = random.uniform(0.5, 1.5, size)
            if extreme:
                factors = [0, 1e-8, 1e-3, -1, 20]
                chosen = random.random(size) < 0.3
                gamma[chosen] *= random.choice(factors, chosen.sum())
            layer.set_weights(
                [
                    gamma,
                    random.normal(0, 0.3, size),
                    random.normal(0, 0.3, size),
                    random.uniform(0.05, 1, size),
                ]
            )


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    """The folder of a training on digits, by the command of the README."""
    run = tmp_path_factory.mktemp("runs") / "digits"
    done = run_command("train.py", "--epochs", 6, "--run", run)
    (run / "stdout.txt").write_text(done.stdout)
    return run


@pytest.fixture(scope="session")
def digits_export(digits_run):
    """The same, exported by the command of the README."""
    run_command("-m", "export", digits_run)
    return digits_run / "export"
