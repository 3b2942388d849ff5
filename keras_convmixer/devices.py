"""The devices of a training: each has a replica and its part of the batch.

On a machine without a GPU the CPU is divided into as many logical devices. That
needs a process that has not used it yet.
"""

import contextlib
from dataclasses import dataclass

import keras


@dataclass
class Devices:
    """Where a model is trained.

    Attributes:
        names: One for each replica.
        scope: Makes the context in which to build, compile and restore it.
        one_cpu: Whether it is TensorFlow on one CPU, undivided.
    """

    names: list
    scope: object = contextlib.nullcontext
    one_cpu: bool = False


def distribute(replicas, batch_size, accumulation=1):
    """Distributes all models that are built from now on.

    With TensorFlow by `MirroredStrategy`, with JAX by `DataParallel`.

    Args:
        replicas: Their number; None for all GPUs, or one CPU.
        batch_size: Images a step, over all replicas together.
        accumulation: Batches whose gradients make one step. Keras does not
            accumulate under a strategy of TensorFlow.

    Returns:
        `Devices`.

    Raises:
        ValueError: If there are fewer GPUs than replicas, the batch does not
            divide by the replicas, or several replicas were to accumulate.
    """
    if keras.backend.backend() == "jax":
        return data_parallel(replicas, batch_size)
    return mirrored(replicas, batch_size, accumulation)


def mirrored(replicas, batch_size, accumulation):
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    count = checked_count(replicas, len(gpus), batch_size)
    if count > 1 and not gpus:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * count,
        )
    kind, one_cpu = ("GPU", False) if gpus else ("CPU", count == 1)
    if accumulation > 1:
        if count > 1:
            raise ValueError(
                "TensorFlow accumulates gradients with one replica only. "
                f"Received: {count} replicas"
            )
        return Devices([f"{kind}:0"], one_cpu=one_cpu)
    strategy = tf.distribute.MirroredStrategy(
        [f"{kind}:{index}" for index in range(count)]
    )
    names = strategy.extended.worker_devices
    return Devices(names, strategy.scope, one_cpu)


def data_parallel(replicas, batch_size):
    import jax

    if replicas:
        jax.config.update("jax_num_cpu_devices", replicas)
    devices = keras.distribution.list_devices()
    gpus = [name for name in devices if not name.startswith("cpu")]
    count = checked_count(replicas, len(gpus), batch_size)
    used = devices[:count]
    if count > 1:
        parallel = keras.distribution.DataParallel(devices=used)
        keras.distribution.set_distribution(parallel)
    return Devices(used)


def checked_count(replicas, gpus, batch_size):
    """How many replicas there are."""
    count = replicas or gpus or 1
    if gpus and count > gpus:
        raise ValueError(
            f"replicas must be at most {gpus}, the number of GPUs. Received: "
            f"{replicas}"
        )
    if batch_size % count:
        raise ValueError(
            f"batch size must divide by the number of replicas, {count}. "
            f"Received: {batch_size}"
        )
    return count
