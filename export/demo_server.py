"""The server of the demo page, for this machine or for phones."""

import contextlib
import functools
import http.server
import socket
from pathlib import Path

from keras_convmixer.utils.checks import UserError

LOCAL, EVERYWHERE = "127.0.0.1", "0.0.0.0"
# A system's own table, as Windows' registry, may have others: browsers run no
# module that is text/plain.
TYPES = {".js": "text/javascript", ".wasm": "application/wasm"}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files as they are now, and modules as what they are."""

    def guess_type(self, path):
        return TYPES.get(Path(path).suffix) or super().guess_type(path)

    def end_headers(self):
        # Cached files are used for a tenth of their age, and even if browsers
        # ask, a change within the same second goes unnoticed.
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def handle(self):
        # Whoever reloads the page breaks off what it was loading.
        with contextlib.suppress(ConnectionError):
            super().handle()


def serve(folder, host, port):
    """A server for a folder.

    Raises:
        UserError: If it can't have the address.
    """
    handler = functools.partial(Handler, directory=folder)
    if not host:
        raise UserError(
            f"--host must be an address; {EVERYWHERE} is all of them. "
            "Received: nothing"
        )
    try:
        return http.server.ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        raise UserError(
            f"can't serve on --host {host} --port {port} ({error.strerror}); "
            "--port 0 takes any port that is free"
        ) from None


def say_where(host, port):
    """Prints the address, and how phones get a camera."""
    print(f"http://{reachable(host)}:{port}/", flush=True)
    if host in (LOCAL, "localhost"):
        return
    # adb connects to this machine's own address.
    cable = (
        f"For an Android phone on a USB cable: `adb reverse tcp:{port} "
        f"tcp:{port}`, then http://localhost:{port}/ on the phone. "
    )
    print(
        "Browsers open the camera and install the app only over HTTPS or from "
        f"localhost. {cable if host == EVERYWHERE else ''}For others: "
        "--output, and a static host with HTTPS",
        flush=True,
    )


def reachable(host):
    """An address of this machine that others know it by."""
    if host != EVERYWHERE:
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            # Sends nothing: it only looks up which address it would send from.
            route.connect(("192.0.2.1", 1))
            return route.getsockname()[0]
        except OSError:
            return socket.gethostname()
