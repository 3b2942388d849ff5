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


class HeldStops:
    """Holds Ctrl-C and SIGTERM back until it is their time, within a `with`.

    Only a signal that Python handles is held back, and only the first one:
    whoever sends a second does not want to wait. When one is `pending`, the
    code inside saves what there is and calls `let_go`.
    """

    def __init__(self):
        self.pending = []
        self.handlers = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if callable(handler := signal.getsignal(number)):
                    self.handlers[number] = handler
                    signal.signal(number, self.hold)
        return self

    def hold(self, number, frame):
        if self.pending:
            self.let_go()
        self.pending.append(number)

    def let_go(self):
        """Has the signal do what it does without this."""
        number = self.pending.pop()
        self.handlers[number](number, None)

    def __exit__(self, kind, *error):
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        if self.pending and kind is None:
            self.let_go()


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
