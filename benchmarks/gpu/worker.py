"""Processes that measure: a row that fails, crashes or hangs costs itself."""

import contextlib
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass, field

# Variables of the environment, by what computes in the process.
ENVIRONMENTS = {
    "tensorflow": {"KERAS_BACKEND": "tensorflow"},
    "pytorch": {},
    "jax": {
        "KERAS_BACKEND": "jax",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    },
}


@dataclass(frozen=True)
class Row:
    """What is measured.

    Attributes:
        name: Its name in the table.
        framework: Of `ENVIRONMENTS`.
        measure: A function that returns a dict, at the top of a module.
        arguments: Those of the function, by name.
        alone: Whether it needs a process of its own.
    """

    name: str
    framework: str
    measure: Callable
    arguments: dict = field(default_factory=dict)
    alone: bool = False


class Workers:
    """Measures rows one after the other, each in a process of its framework.

    A process serves the rows that follow one another; after an error there is
    a new one.
    """

    def __init__(self):
        self.process = self.framework = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.end()

    def measure(self, row, seconds):
        """What the function of a row returns, or its error.

        Args:
            row: A `Row`.
            seconds: It has so much time.
        """
        if row.alone or row.framework != self.framework:
            self.end()
        if self.process is None:
            self.start(row.framework)
        try:
            self.connection.send((row.measure, row.arguments))
            if self.connection.poll(seconds):
                result = self.connection.recv()
            else:
                result = {"error": f"took more than {seconds:.0f} s"}
        except (EOFError, OSError):
            self.process.join(1)
            status = self.process.exitcode
            result = {"error": f"the process ended with status {status}"}
        if row.alone or "error" in result:
            self.end()
        return result

    def start(self, framework):
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=serve, args=(framework, other))
        self.framework = framework
        self.process.start()
        other.close()

    def end(self):
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.connection.close()
        self.process = self.framework = None


def serve(framework, connection):
    """Calls the functions that are sent, until nobody sends any more."""
    os.environ.update(ENVIRONMENTS[framework])
    with contextlib.suppress(EOFError, OSError):
        while True:
            measure, arguments = connection.recv()
            try:
                result = measure(**arguments)
            except Exception as error:
                words = " ".join(str(error).split())[:300]
                result = {"error": f"{type(error).__name__}: {words}"}
            connection.send(result)
