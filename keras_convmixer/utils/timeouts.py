"""Waiting for other machines no longer than one has patience."""

import threading


def call_with_timeout(seconds, ask):
    """Calls a function that asks another machine something.

    The time-outs of requests don't count the search for the address.

    Raises:
        TimeoutError: If it is still waiting after that many seconds.
        Exception: What the function raises.
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
