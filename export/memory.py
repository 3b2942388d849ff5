"""The most memory that this process has held."""

import re
import sys
from pathlib import Path


def peak_megabytes():
    """In units of 10**6 bytes, of this process alone; None on Windows."""
    if sys.platform == "win32":
        return None
    if sys.platform == "darwin":
        import resource  # Windows has no such module.

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 10**6
    # getrusage also counts what the process that started this one held.
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 // 10**6
