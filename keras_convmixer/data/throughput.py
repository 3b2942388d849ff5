"""Settings of the process with which the input pipeline is faster."""

import contextlib
import ctypes
import os

# Of glibc's `mallopt`, with the largest values that it takes.
TRIM_THRESHOLD, MMAP_THRESHOLD = (-1, 2**31 - 1), (-3, 2**30)


def one_thread_per_operator():
    """Runs each of TensorFlow's operators on one thread of the CPU.

    For trainings whose steps a GPU or JAX computes: the CPU only prepares
    batches, several at a time, and operators that are divided among its
    threads hinder each other. It has no effect once TensorFlow is in use or if
    the user has chosen a number.
    """
    import tensorflow as tf

    threading = tf.config.threading
    if "TF_NUM_INTRAOP_THREADS" in os.environ:
        return
    if threading.get_intra_op_parallelism_threads() == 0:
        with contextlib.suppress(RuntimeError):  # It is in use.
            threading.set_intra_op_parallelism_threads(1)


def keep_freed_memory():
    """Lets the process keep the memory of freed tensors for the next ones.

    By default glibc returns large blocks to the system, which zeroes their
    pages when they are needed again: for every batch. It has no effect with
    other C libraries or if the user has set one of glibc's variables.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    chosen = any(name.startswith("MALLOC_") for name in os.environ)
    if mallopt is not None and not chosen:
        for option in (TRIM_THRESHOLD, MMAP_THRESHOLD):
            mallopt(*option)
