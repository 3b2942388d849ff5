"""The GPUs of a training: what they are, and which numbers suit them."""

import errno
import os
from dataclasses import dataclass

import keras
import tensorflow as tf

from keras_convmixer.utils.processors import gpu_memory

DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


@dataclass(frozen=True)
class Gpu:
    """A GPU.

    Attributes:
        name: "NVIDIA H100 80GB HBM3" for instance.
        compute_capability: NVIDIA's, as `(9, 0)`; None for others.
        memory: Its bytes; None if unknown.
    """

    name: str
    compute_capability: tuple | None = None
    memory: int | None = None

    def __str__(self):
        if self.memory is None:
            return self.name
        return f"{self.name}, {self.memory / 2**30:.0f} GiB"


def gpus_of_tensorflow():
    """The `Gpu` of each that TensorFlow sees."""
    details = map(
        tf.config.experimental.get_device_details,
        tf.config.list_physical_devices("GPU"),
    )
    return [
        Gpu(
            detail.get("device_name", "GPU"),
            detail.get("compute_capability"),
            gpu_memory(index),
        )
        for index, detail in enumerate(details)
    ]


def gpus_of_jax():
    """The `Gpu` of each that JAX sees."""
    import jax

    gpus = [each for each in jax.local_devices() if each.platform != "cpu"]
    return [
        Gpu(
            gpu.device_kind,
            capability_of(getattr(gpu, "compute_capability", None)),
            gpu_memory(index),
        )
        for index, gpu in enumerate(gpus)
    ]


def capability_of(text):
    """`(9, 0)` of "9.0"; None of anything else."""
    try:
        major, minor = map(int, text.split("."))
    except (AttributeError, ValueError):
        return None
    return major, minor


def precision_of(choice, gpus):
    """The mixed precision of a training.

    Args:
        choice: As in a `Plan`.
        gpus: The `Gpu` of each replica of this machine.

    Returns:
        `(precision, reason)`: "float16", "bfloat16" or None, and a phrase.
    """
    if choice != "auto":
        return choice, "chosen" if choice else "the default"
    if not gpus:
        return None, "auto: float32 on CPUs"
    least = min(gpu.compute_capability or (0, 0) for gpu in gpus)
    reason = "auto: compute capability {}.{}".format(*least)
    if least >= (8, 0):
        return "bfloat16", reason
    if least >= (7, 0):
        return "float16", f"{reason}, whose tensor cores have no bfloat16"
    if least == (0, 0):
        return None, "auto: unknown compute capability"
    return None, f"{reason}, no tensor cores"


def be_deterministic():
    """Has GPUs compute the same bits in every run, from now on.

    Call it before XLA has compiled anything: it reads its flags once.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} {DETERMINISTIC}".strip()
    if keras.backend.backend() == "tensorflow":
        tf.config.experimental.enable_op_determinism()


def is_out_of_memory(error):
    """Whether an error is that of a GPU whose memory did not suffice."""
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return os.strerror(errno.ENOSPC) not in error.message  # A full disk.
    # JAX's, which may not be installed.
    return type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError") and (
        "RESOURCE_EXHAUSTED" in str(error)
    )
