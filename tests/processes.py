"""Commands, run in processes of their own.

Importing TensorFlow takes longer than most of what the tests do. A command runs
in a fork of a process that has imported it, and nothing of ours.
"""

import atexit
import multiprocessing.util
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(
    [
        *("keras", "matplotlib.pyplot", "sklearn.datasets", "sklearn.metrics"),
        *("tensorflow", "tensorflow_datasets"),
    ]
)


def run_command(*arguments, cwd=ROOT, check=True):
    """Runs `train.py ...` or `-m MODULE ...`, from the repository's top.

    Returns:
        A `subprocess.CompletedProcess`.
    """
    arguments = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("stdout", "stderr")]
        process = forks.Process(
            target=carry_out, args=(arguments, cwd, dict(os.environ), streams)
        )
        process.start()
        process.join()
        done = subprocess.CompletedProcess(
            arguments, process.exitcode, *(file.read_text() for file in streams)
        )
    process.close()
    return checked(done) if check else done


def run_python(*arguments, cwd=ROOT, check=True):
    """The same in a new interpreter; also `-c PROGRAM ...`."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return checked(done) if check else done


def start(*arguments):
    """A command that runs on, with what it prints in one pipe."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def carry_out(arguments, folder, environment, streams):
    """What the interpreter does with its arguments, in a fork."""
    flags = os.O_WRONLY | os.O_CREAT
    for number, file in enumerate([os.devnull, *streams]):
        descriptor = os.open(file, flags if number else os.O_RDONLY)
        os.dup2(descriptor, number)
        os.close(descriptor)
    # What an interpreter does at its end, a fork does not.
    multiprocessing.util.Finalize(None, atexit._run_exitfuncs, exitpriority=0)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment, PYTHONPATH=str(ROOT))
    sys.path.insert(0, str(ROOT))
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(sys.argv[0], run_name="__main__")


def checked(done):
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done
