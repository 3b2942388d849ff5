"""How long a model takes for an image."""

import statistics
import time

TIMED_SECONDS = 0.2


def latency(run, image):
    """Median milliseconds of a run, over about `TIMED_SECONDS`."""
    return round(statistics.median(timings(run, image, TIMED_SECONDS)), 3)


def timings(run, image, seconds):
    """Milliseconds of each of some runs: at least five, for about `seconds`."""
    run(image)  # The first call allocates.
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run(image)
        times.append(1000 * (time.perf_counter() - start))
    return times
