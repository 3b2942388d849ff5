"""What the command lines have in common."""

import argparse
import contextlib
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor


def quiet_tensorflow():
    """Imports TensorFlow without its start-up messages."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("MPLBACKEND", "agg")
    with silent_libraries():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def silent_libraries():
    """Closes standard error to C++ libraries that heed no log level."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def one_line_errors():
    """Turns a ValueError or OSError into one line and exit status 2."""
    try:
        yield
    except (ValueError, OSError) as error:
        message = " ".join(str(error).split())
        print(f"error: {message}", file=sys.stderr)
        sys.exit(2)


def in_new_process(function, *arguments):
    """What a function returns, called in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as pool:
        return pool.submit(function, *arguments).result()


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, without usage."""

    def error(self, message):
        self.exit(2, f"error: {message}\n")


def positive_int(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(
            f"must be a positive integer, not {text}"
        )
    return value


def positive_float(text):
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be positive, not {text}")
    return value


def number_from_0_to(highest):
    """The type of an argument."""

    def number(text):
        value = float(text)
        if not 0 <= value <= highest:
            raise argparse.ArgumentTypeError(
                f"must be from 0 to {highest}, not {text}"
            )
        return value

    return number


share = number_from_0_to(1)


def positive_share(text):
    share(text)
    return positive_float(text)
