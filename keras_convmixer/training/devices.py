"""The devices of a training: each has a replica and its part of the batch.

On a machine without a GPU the CPU is divided into as many logical devices. That
needs a process that has not used it yet.
"""

import contextlib
import os
from dataclasses import dataclass, field

import keras
import tensorflow as tf

from keras_convmixer.data.batches import Shard
from keras_convmixer.training.gpus import (
    Gpu,
    be_deterministic,
    gpus_of_jax,
    gpus_of_tensorflow,
)
from keras_convmixer.training.workers import patch_fit
from keras_convmixer.training.xla import CompiledGradients
from keras_convmixer.utils.backend import check_training_backend
from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.cluster import cluster, worker_addresses

MAX_LOGICAL_CPUS = 64


@dataclass
class Devices:
    """Where a model is trained.

    Attributes:
        names: Those of this machine, one for each of its replicas.
        replicas: Their number on all machines.
        scope: Makes the context in which to build, compile and restore it.
        one_cpu: Whether it is TensorFlow on one CPU, undivided, without XLA.
        workers: The strategy of several machines; None for one.
        gpus: The `Gpu` of each replica of this machine; none on CPUs.
        xla: Whether XLA compiles the training step.
        deterministic: Whether GPUs compute the same bits in every run.
    """

    names: list
    replicas: int = 1
    scope: object = contextlib.nullcontext
    one_cpu: bool = False
    workers: object = None
    gpus: list[Gpu] = field(default_factory=list)
    xla: bool = False
    deterministic: bool = False

    @property
    def jit_compile(self):
        """The argument of Keras' `compile`."""
        if keras.backend.backend() == "jax":
            return "auto"
        return self.xla and not self.compiles_gradients

    @property
    def compiles_gradients(self):
        """Whether XLA compiles all but the update of the weights.

        Keras itself compiles nothing where TensorFlow is deterministic.
        """
        return self.xla and (self.replicas > 1 or self.deterministic)

    def prepare(self, model):
        """The model to be trained in its place; call it in the scope."""
        if keras.backend.backend() == "jax":
            return model
        if self.compiles_gradients:
            return CompiledGradients(model.input, model.output)
        from keras_convmixer.training.fast_layers import for_training

        return for_training(model, self.replicas, self.one_cpu)

    def mend(self, model):
        """What the model needs besides, once it is compiled."""
        if self.workers:
            patch_fit(model, self.workers)

    def data(self, make):
        """The batches for `fit`.

        Args:
            make: A function of a `Shard` that returns a data set.
        """
        if self.workers is None:
            return make(Shard(replicas=self.replicas))
        return self.workers.distribute_datasets_from_function(
            lambda context: make(
                Shard(
                    index=context.input_pipeline_id,
                    count=context.num_input_pipelines,
                    replicas=context.num_replicas_in_sync,
                )
            )
        )


def distribute(
    replicas, batch_size, accumulation=1, xla="auto", deterministic=False
):
    """Distributes all models that are built from now on.

    With TensorFlow by `MirroredStrategy`, or `MultiWorkerMirroredStrategy`
    where TF_CONFIG names several machines; with JAX by `DataParallel`.

    Args:
        replicas: Their number on a machine; None for all GPUs, or one CPU.
        batch_size: Images a step, over all replicas together.
        accumulation: Batches whose gradients make one step. Keras does not
            accumulate under a strategy of TensorFlow.
        xla: Whether XLA compiles the training step: "on", "off", or "auto"
            for on GPUs only. JAX has every step compiled.
        deterministic: Whether GPUs compute the same bits in every run. It
            holds for the whole process.

    Returns:
        `Devices`.

    Raises:
        UserError: If the backend does not train, there are fewer GPUs than
            replicas, the batch does not divide by the replicas, several
            replicas were to accumulate, or JAX to do without XLA.
    """
    if check_training_backend(keras.backend.backend()) == "jax":
        if xla == "off":
            raise UserError(
                "xla must be 'auto' or 'on' with Keras on JAX, which always "
                "compiles. Received: 'off'"
            )
        return data_parallel(replicas, batch_size, deterministic)
    return strategy(replicas, batch_size, accumulation, xla, deterministic)


def strategy(replicas, batch_size, accumulation, xla, deterministic):
    if cluster() is None:
        # TensorFlow reads it again, and an empty one it can't.
        os.environ.pop("TF_CONFIG", None)
    workers = len(worker_addresses()) or 1
    gpus = tf.config.list_physical_devices("GPU")
    count = checked_count(replicas, len(gpus), batch_size, workers)
    if accumulation > 1 and workers * count > 1:
        raise UserError(
            "TensorFlow accumulates gradients with one replica only. "
            f"Received: {workers * count} replicas"
        )
    kind = "GPU" if gpus else "CPU"
    names = [f"{kind}:{index}" for index in range(count)]
    xla = xla == "on" or (xla == "auto" and bool(gpus))
    one_cpu = names == ["CPU:0"] and workers == 1 and not xla
    deterministic = deterministic and bool(gpus)
    if deterministic:
        be_deterministic()
    used = {
        "gpus": gpus_of_tensorflow()[:count],
        "xla": xla,
        "deterministic": deterministic,
    }
    if workers > 1:
        if count > 1 and not gpus:
            raise UserError(
                "each of several machines without a GPU has one replica. "
                f"Received: {count} replicas"
            )
        tf.config.set_visible_devices(gpus[:count], "GPU")
        mirrored = tf.distribute.MultiWorkerMirroredStrategy()
    elif accumulation > 1:
        return Devices(names, one_cpu=one_cpu, **used)
    else:
        if count > 1 and not gpus:
            tf.config.set_logical_device_configuration(
                tf.config.list_physical_devices("CPU")[0],
                [tf.config.LogicalDeviceConfiguration()] * count,
            )
        mirrored = tf.distribute.MirroredStrategy(names)
    return Devices(
        mirrored.extended.worker_devices,
        mirrored.num_replicas_in_sync,
        mirrored.scope,
        one_cpu,
        mirrored if workers > 1 else None,
        **used,
    )


def data_parallel(replicas, batch_size, deterministic):
    import jax

    if deterministic:
        be_deterministic()
    if replicas:
        jax.config.update("jax_num_cpu_devices", replicas)
    devices = keras.distribution.list_devices()
    gpus = [name for name in devices if not name.startswith("cpu")]
    count = checked_count(replicas, len(gpus), batch_size)
    used = devices[:count]
    if count > 1:
        parallel = keras.distribution.DataParallel(devices=used)
        keras.distribution.set_distribution(parallel)
    return Devices(used, count, gpus=gpus_of_jax()[:count], xla=True)


def checked_count(replicas, gpus, batch_size, workers=1):
    """How many replicas there are on a machine."""
    count = replicas or gpus or 1
    most = gpus or MAX_LOGICAL_CPUS
    if count > most:
        kind = "as there are GPUs" if gpus else "on CPUs"
        raise UserError(
            f"replicas must be at most {most}, {kind}. Received: {replicas}"
        )
    if batch_size % (workers * count):
        raise UserError(
            "batch_size must divide by the number of replicas, "
            f"{workers * count}. Received: {batch_size}",
            argument="batch_size",
        )
    return count
