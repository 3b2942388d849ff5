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
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
if "PYTEST_XDIST_WORKER" in os.environ:  # There is one for each core.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(
    [
        *("keras", "matplotlib.pyplot", "sklearn.datasets", "sklearn.metrics"),
        *("tensorflow", "tensorflow_datasets"),
    ]
)


class Command:
    """`train.py ...`, `-m MODULE ...` or `-c PROGRAM ...` in a fork.

    Used by `with`, which ends what still runs.

    Args:
        arguments: As the interpreter has them.
        cwd: Its working directory.
        variables: Of the environment, besides those of this process.
    """

    def __init__(self, *arguments, cwd=ROOT, **variables):
        self.arguments = [str(argument) for argument in arguments]
        self.folder = tempfile.TemporaryDirectory()
        self.streams = [Path(self.folder.name, n) for n in ("out", "err")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        self.process = forks.Process(
            target=run_training,
            args=(self.arguments, cwd, environment, self.streams),
        )
        self.process.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.join()
        self.process.close()
        self.folder.cleanup()

    def wait_for(self, condition):
        """Until it is true; the command may not end before."""
        while not condition():
            assert self.process.exitcode is None, self.finish()
            time.sleep(0.02)

    def send_signal(self, number):
        os.kill(self.process.pid, number)

    def finish(self, seconds=None):
        """A `subprocess.CompletedProcess` with all that it printed.

        Args:
            seconds: It has to end within these, if given.
        """
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"runs after {seconds} s"
        return subprocess.CompletedProcess(
            self.arguments,
            self.process.exitcode,
            *(stream.read_text() for stream in self.streams),
        )


def run_command(*arguments, cwd=ROOT, check=True):
    """Runs a `Command`.

    Returns:
        A `subprocess.CompletedProcess`.
    """
    with Command(*arguments, cwd=cwd) as command:
        done = command.finish()
    return checked(done) if check else done


def run_python(*arguments, cwd=ROOT, check=True):
    """The same in a new interpreter, which has imported nothing."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return checked(done) if check else done


def run_training(arguments, folder, environment, streams):
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
    os.environ.update(environment)
    others = [path for path in sys.path if path != str(ROOT)]
    sys.path[:] = [environment["PYTHONPATH"], *others]
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        program = arguments[1]
        sys.argv = ["-c", *arguments[2:]]
        exec(program, {"__name__": "__main__"})
    else:
        sys.argv = arguments
        runpy.run_path(sys.argv[0], run_name="__main__")


def checked(done):
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done
