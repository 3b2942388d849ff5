"""What the command lines have in common."""

import argparse
import contextlib
import errno
import functools
import itertools
import multiprocessing
import os
import re
import shlex
import signal
import sys
import threading
import traceback
from concurrent.futures import ProcessPoolExecutor
from contextvars import ContextVar

from keras_convmixer.utils.backend import (
    check_configuration,
    check_tensorflow,
    configured_backend,
)
from keras_convmixer.utils.checks import (
    POSITIVE_INTEGER,
    POSITIVE_NUMBER,
    SHARE,
    UserError,
    did_you_mean,
)
from keras_convmixer.utils.process_state import printable_output, stop_signals
from keras_convmixer.utils.processors import (
    has_nvidia_driver,
    unused_gpu_warning,
)

STOPPED = 128 + signal.SIGINT  # As a shell says it.
IN_A_CHECKOUT = {"train": "python train.py", "export": "python -m export"}

_called_as = ContextVar("called_as", default=None)
_silence, _silent, _standard_error = threading.Lock(), 0, None


@contextlib.contextmanager
def called_as(name):
    """Within it a program has the name that the user typed.

    Its parser and its messages use it: "convmixer train" for instance.
    """
    token = _called_as.set(name)
    try:
        yield
    finally:
        _called_as.reset(token)


def command(name, *arguments):
    """How the user of this program calls another one, for a shell.

    A path among the arguments is never parsed as an option.

    Example:

    >>> with called_as("convmixer train"):
    ...     command("export", Path("my run"))
    "convmixer export 'my run'"
    """
    caller = _called_as.get()
    program = IN_A_CHECKOUT[name]
    if caller is not None:
        program = f"{caller.rpartition(' ')[0]} {name}"
    words = [
        f"./{word}"
        if isinstance(word, os.PathLike) and str(word).startswith("-")
        else str(word)
        for word in arguments
    ]
    return " ".join([program, *map(shlex.quote, words)])


def quiet_tensorflow(backend=None):
    """Imports TensorFlow without its start-up messages.

    One of them is printed in our words: that it can't use the GPU. With
    `backend="tensorflow"` Keras runs on TensorFlow, whatever its configuration
    says.

    Raises:
        UserError: If Keras' configuration is invalid, or Keras has already
            been imported with another backend.
    """
    if backend == "tensorflow":
        os.environ["KERAS_BACKEND"] = "tensorflow"
        if "keras" in sys.modules:
            check_tensorflow("an export")
    check_configuration()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("MPLBACKEND", "agg")
    with silent_libraries():
        import tensorflow as tf
        from absl import logging

        logging.set_verbosity(logging.ERROR)
        gpus = tf.config.list_physical_devices("GPU")
        with contextlib.suppress(RuntimeError):  # They are in use already.
            for gpu in gpus:
                # Not all of it at once: other programs need some as well.
                tf.config.experimental.set_memory_growth(gpu, True)
    if configured_backend() == "tensorflow":
        warn_of_unused_gpu(len(gpus))


@functools.cache  # Once in a process.
def warn_of_unused_gpu(num_gpus):
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    warning = unused_gpu_warning(has_nvidia_driver(), num_gpus, visible)
    if warning:
        print(warning, file=sys.stderr)


@contextlib.contextmanager
def silent_libraries():
    """Closes standard error to C++ libraries that heed no log level.

    Of several threads the first closes it, and the last opens it again.
    """
    global _silent, _standard_error
    with _silence:
        if not _silent:
            _standard_error = os.dup(2)
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 2)
        _silent += 1
    try:
        yield
    finally:
        with _silence:
            _silent -= 1
            if not _silent:
                os.dup2(_standard_error, 2)
                os.close(_standard_error)


@contextlib.contextmanager
def one_line_errors():
    """Turns what a user or a machine can cause into one line.

    A bad argument or file (`UserError`, `OSError`) ends with exit status 2,
    Ctrl-C and SIGTERM with that of Ctrl-C, and a reader that wants no more,
    such as `head`, without a word. All else is a bug and keeps its traceback.
    With CONVMIXER_TRACEBACK in the environment one line has its traceback too.
    What is printed is escaped where the output can't show it.
    """
    with stop_signals() as stopped, printable_output():
        try:
            yield
            sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes it once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except (UserError, OSError, MemoryError) as error:
            fail(str(error) or "out of memory")
        except KeyboardInterrupt:
            end_stopped()
        except Exception as error:
            # Libraries in C++ raise errors of their own in place of an
            # interrupt.
            if stopped:
                end_stopped()
            # Of images and labels that TensorFlow reads while a model runs.
            tensorflow = sys.modules.get("tensorflow")
            if not (
                tensorflow and isinstance(error, tensorflow.errors.OpError)
            ):
                raise
            cause = user_error_in(error.message)
            if cause is None:
                raise
            fail(cause)


def end_stopped():
    print("stopped", file=sys.stderr)
    sys.exit(STOPPED)


@contextlib.contextmanager
def newline_on_error():
    """Ends the line of a progress bar that an exception has cut short.

    What is printed of the exception then begins on a line of its own.
    """
    try:
        yield
    except BaseException:
        print(flush=True)
        raise


def fail(message):
    if os.environ.get("CONVMIXER_TRACEBACK"):
        traceback.print_exc()
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def user_error_in(message):
    """The message of the `UserError` or assertion in one of TensorFlow.

    A full disk's is all of it: TensorFlow's writers pass on what the system
    says, but not as an `OSError`.

    Returns:
        None if none of them caused it.
    """
    if os.strerror(errno.ENOSPC) in message:
        return message
    for line in message.splitlines():
        if match := re.search(r"(?:UserError|assertion failed): (.*)", line):
            return match[1]
    return None


def in_new_process(function, *arguments):
    """What a function returns, called in a process of its own."""
    with new_process() as process:
        return process.submit(function, *arguments).result()


def new_process(begin=None, *arguments):
    """An executor of one process, which calls `begin` before all else."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, spawn, begin, arguments)


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, without usage.

    `prog` is the program's name where `called_as` gives none.
    """

    def __init__(self, prog=None, **options):
        prog = _called_as.get() or prog
        super().__init__(prog=prog, **options, allow_abbrev=False)

    def parse_args(self, arguments=None, namespace=None):
        arguments = sys.argv[1:] if arguments is None else arguments
        for before, given in itertools.pairwise([self.prog, *arguments]):
            if not given.strip():  # What an unset variable leaves.
                self.error(f"the argument after {before!r} must not be empty")
        known, unknown = self.parse_known_args(arguments, namespace)
        if unknown:
            hint = did_you_mean(unknown[0], self._option_string_actions)
            self.error(f"unknown argument {unknown[0]!r}.{hint}")
        return known

    def options(self, arguments=None):
        """The flags among the arguments, as they were written."""
        arguments = sys.argv[1:] if arguments is None else arguments
        words = [word.partition("=")[0] for word in arguments]
        return [word for word in words if word in self._option_string_actions]

    def error(self, message):
        self.exit(2, f"error: {' '.join(str(message).split())}\n")


def number(allowed):
    """The type of an argument whose numbers are those of an `Allowed`."""

    def parse(given):
        try:
            value = allowed.kind(given)
        except ValueError:
            value = None
        if value is None or not allowed.holds(value):
            raise argparse.ArgumentTypeError(
                f"must be {allowed.words}, not {given!r}"
            )
        return value

    return parse


positive_int = number(POSITIVE_INTEGER)
positive_float = number(POSITIVE_NUMBER)
share = number(SHARE)
