"""What a command changes of its process while it runs: signals and output."""

import codecs
import contextlib
import io
import signal
import sys
import threading

BAR = "\u2501"  # What Keras' progress bars are made of.


@contextlib.contextmanager
def stop_signals():
    """Makes SIGTERM what Ctrl-C is: a KeyboardInterrupt.

    Other threads than the main one get no signals: there it does nothing.

    Yields:
        A list, to which the signals that arrive are appended.
    """
    received = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def stop(number, frame):
        received.append(number)
        raise KeyboardInterrupt

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, stop)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, stop)
    try:
        yield received
    finally:
        for number, handler in before.items():
            # None: it was not installed by Python.
            signal.signal(number, handler or signal.SIG_DFL)


@contextlib.contextmanager
def printable_output():
    """Escapes what the encoding of the output lacks, such as "\\u732b"."""
    streams = {
        stream: stream.errors
        for stream in (sys.stdout, sys.stderr)
        if isinstance(stream, io.TextIOWrapper)
    }
    codecs.register_error("keras_convmixer.printable", printable)
    for stream in streams:
        stream.reconfigure(errors="keras_convmixer.printable")
    try:
        yield
    finally:
        for stream, errors in streams.items():
            with contextlib.suppress(OSError):  # It flushes.
                stream.reconfigure(errors=errors)


def printable(error):
    """As "backslashreplace", but "=" for the line of Keras' progress bar."""
    character = error.object[error.start]
    if character == BAR:
        return "=", error.start + 1
    escaped = character.encode("ascii", "backslashreplace").decode()
    return escaped, error.start + 1
