"""The processors that this process may use: CPUs, and GPUs of the driver."""

import contextlib
import ctypes
import math
import os
import shutil
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
NVIDIA = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/nvidia0")


def num_cpus():
    """CPUs that this process may use: of its affinity, within its quota."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13.
        allowed = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):  # Linux.
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count()
    return max(1, math.ceil(min(allowed or 1, cpu_quota())))


def cpu_quota(root=CGROUPS, membership=Path("/proc/self/cgroup")):
    """CPUs that the control groups of this process leave it, on average.

    The result is infinity without a quota.
    """
    quotas = [math.inf]
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # No Linux.
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / controllers  # Those of version 2 have no name.
        if not mount.is_dir():
            mount = root / "cpu"
        # The quota of a group holds for those in it. A container sees its own
        # group as the root.
        group = Path(path.lstrip("/"))
        for place in (group, *group.parents):
            with contextlib.suppress(OSError, ValueError):
                quotas.append(quota_of(mount / place))
    return min(quotas)


def quota_of(group):
    """CPUs that a control group of version 2 or 1 may use, on average."""
    if (group / "cpu.max").exists():
        quota, period = (group / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    quota = int((group / "cpu.cfs_quota_us").read_text())
    period = int((group / "cpu.cfs_period_us").read_text())
    return quota / period if quota > 0 else math.inf


def has_nvidia_driver():
    """Whether this machine has the driver of an NVIDIA GPU."""
    if any(map(os.path.exists, NVIDIA)) or shutil.which("nvidia-smi"):
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def gpu_memory(index):
    """Bytes of a GPU's memory, from the driver; None if it can't say.

    `index` counts the GPUs that this process may use.
    """
    device, memory = ctypes.c_int(), ctypes.c_size_t()
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        failed = (
            driver.cuInit(0)
            or driver.cuDeviceGet(ctypes.byref(device), index)
            or driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
        )
    except (OSError, AttributeError):
        return None
    return None if failed else memory.value


def unused_gpu_warning(has_driver, num_gpus, visible):
    """A line for a GPU that TensorFlow does not see; None if all is well.

    `visible` is the variable CUDA_VISIBLE_DEVICES; None if it is not set.
    """
    hides_all = visible is not None and visible.split(",")[0].strip() in (
        "",
        "-1",
    )
    if not has_driver or num_gpus or hides_all:
        return None
    return (
        "warning: this machine has an NVIDIA driver, but TensorFlow sees no "
        "GPU and uses the CPU. pip install 'tensorflow[and-cuda]' installs the "
        "CUDA libraries; CUDA_VISIBLE_DEVICES=-1 uses the CPU without this "
        "warning"
    )
