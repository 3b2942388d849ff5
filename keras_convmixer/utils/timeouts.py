"""Calls with a wall-clock timeout."""

import threading


def call_with_timeout(seconds, ask):
    """Calls a function that asks another machine something.

    The timeouts of HTTP requests don't count the look-up of the address. The
    call is left behind in a thread when its time is over.

    Args:
        seconds: How long to wait for it.
        ask: The function, without arguments. What it returns is dropped.

    Raises:
        TimeoutError: If it has not returned after that many seconds.
        Exception: What the function raises.

    Example:
        >>> call_with_timeout(10, lambda: socket.gethostbyname("example.org"))
    """
    outcome = [TimeoutError(f"no answer in {seconds} seconds")]

    def run():
        try:
            ask()
            outcome[0] = None
        except Exception as error:
            outcome[0] = error

    asking = threading.Thread(target=run, daemon=True)
    asking.start()
    asking.join(seconds)
    if outcome[0] is not None:
        raise outcome[0]
