"""The most memory that this process has held."""

import re
import sys
from pathlib import Path


def peak_megabytes():
    """In units of 10**6 bytes, of this process alone.

    Linux's getrusage also counts what the process that started this one
    held, so the status of the process is read there.
    """
    if sys.platform == "darwin":
        import resource  # Windows hasn't it.

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 10**6
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 // 10**6
