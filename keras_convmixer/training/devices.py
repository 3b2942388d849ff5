"""The devices of a training: each has a replica and its part of the batch.

On a machine without a GPU the CPU is divided into as many logical devices. That
needs a process that has not used it yet.

Several machines run the same command, each with the cluster in its environment:

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]},
                "task": {"type": "worker", "index": 0}}' python train.py ...

The first, the chief, writes the run folder. The others read it when the
training goes on after a stop, so it has to be on a disk that all of them see.
"""

import contextlib
import os
from dataclasses import dataclass, field

import keras
import tensorflow as tf

from keras_convmixer.compat import build_by_shapes, patch_fit_on_workers
from keras_convmixer.data.batches import Shard
from keras_convmixer.data.throughput import one_thread_per_operator
from keras_convmixer.training.fast_layers import for_training
from keras_convmixer.training.gpus import (
    Gpu,
    be_deterministic,
    gpus_of_jax,
    gpus_of_tensorflow,
)
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
        workers: TensorFlow's strategy of several machines; None for one.
        process: Which of several that JAX has train this is.
        processes: Their number; 1 with TensorFlow.
        gpus: The `Gpu` of each replica of this machine; none on CPUs.
        xla: Whether XLA compiles the training step.
        deterministic: Whether GPUs compute the same bits in every run.
    """

    names: list
    replicas: int = 1
    scope: object = contextlib.nullcontext
    one_cpu: bool = False
    workers: object = None
    process: int = 0
    processes: int = 1
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
        model = for_training(model, self.replicas, self.one_cpu, self.xla)
        if self.compiles_gradients:
            return CompiledGradients(model.input, model.output)
        return model

    def prepare_fit(self, model):
        """What a compiled model needs besides for `fit`."""
        if keras.backend.backend() == "tensorflow":
            with self.scope():
                build_by_shapes(model)
        if self.workers:
            patch_fit_on_workers()

    def data(self, make):
        """The batches for `fit`; `make` makes a data set for a `Shard`."""
        if self.workers is None:
            return make(Shard(self.process, self.processes, self.replicas))
        return self.workers.distribute_datasets_from_function(
            lambda context: make(
                Shard(
                    index=context.input_pipeline_id,
                    count=context.num_input_pipelines,
                    replicas=context.num_replicas_in_sync,
                    batches_a_step=context.num_replicas_in_sync
                    // context.num_input_pipelines,
                )
            )
        )

    @contextlib.contextmanager
    def apart(self):
        """Within it what is built is this process' own, whatever others do."""
        distribution = keras.distribution.distribution()
        if self.processes > 1:
            keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(distribution)

    def part(self):
        """Ends what several processes of JAX do together."""
        if self.processes > 1:
            import jax

            # Each waits here for the others: later they would not all come.
            jax.distributed.shutdown()


def distribute(
    replicas, batch_size, accumulation=1, xla="auto", deterministic=False
):
    """Distributes all models that are built from now on.

    With TensorFlow by `MirroredStrategy`, or `MultiWorkerMirroredStrategy`
    where TF_CONFIG names several machines; with JAX by `DataParallel`, over
    the processes of all machines.

    Args:
        replicas: Their number on a machine; None for all GPUs, or one CPU.
        batch_size: Images a step, over all replicas together.
        accumulation, xla, deterministic: As in a `Plan`; the last holds for
            the whole process.

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
    # Keras accumulates under no strategy.
    if accumulation > 1 and workers * count > 1:
        raise UserError(
            "TensorFlow accumulates gradients with one replica only. "
            f"Received: {workers * count} replicas"
        )
    if workers > 1 and count > 1 and not gpus:
        raise UserError(
            "each of several machines without a GPU has one replica. "
            f"Received: {count} replicas"
        )
    if gpus:
        one_thread_per_operator()
    if deterministic and gpus:
        be_deterministic()
    kind = "GPU" if gpus else "CPU"
    devices = Devices(
        names=[f"{kind}:{index}" for index in range(count)],
        gpus=gpus_of_tensorflow()[:count],
        xla=xla == "on" or (xla == "auto" and bool(gpus)),
        deterministic=deterministic and bool(gpus),
    )
    devices.one_cpu = workers * count == 1 and not gpus and not devices.xla
    if accumulation > 1:
        return devices
    if workers > 1:
        tf.config.set_visible_devices(gpus[:count], "GPU")
        mirrored = tf.distribute.MultiWorkerMirroredStrategy()
        devices.workers = mirrored
    else:
        if count > 1 and not gpus:
            tf.config.set_logical_device_configuration(
                tf.config.list_physical_devices("CPU")[0],
                [tf.config.LogicalDeviceConfiguration()] * count,
            )
        mirrored = tf.distribute.MirroredStrategy(devices.names)
    devices.names = mirrored.extended.worker_devices
    devices.replicas = mirrored.num_replicas_in_sync
    devices.scope = mirrored.scope
    return devices


def data_parallel(replicas, batch_size, deterministic):
    import jax

    # TensorFlow makes the batches, on the CPU.
    one_thread_per_operator()
    with contextlib.suppress(RuntimeError):  # It is in use already.
        tf.config.set_visible_devices([], "GPU")
    if deterministic:
        be_deterministic()
    if replicas:
        jax.config.update("jax_num_cpu_devices", replicas)
    addresses = worker_addresses()
    processes, process = len(addresses) or 1, 0
    if addresses:
        process = cluster()["task"]["index"]
        keras.distribution.initialize(
            ",".join(addresses), num_processes=processes, process_id=process
        )
    gpus = gpus_of_jax()
    count = checked_count(replicas, len(gpus), batch_size, processes)
    if processes == 1:
        names = devices = keras.distribution.list_devices()[:count]
    elif count < len(jax.local_devices()):
        raise UserError(
            "each of several processes with JAX uses all GPUs that it sees: "
            "CUDA_VISIBLE_DEVICES chooses them. Received: replicas "
            f"{replicas}"
        )
    else:
        devices = keras.distribution.list_devices()
        names = [f"{d.platform}:{d.id}" for d in jax.local_devices()]
    if len(devices) > 1:
        parallel = keras.distribution.DataParallel(
            devices=devices, auto_shard_dataset=False
        )
        keras.distribution.set_distribution(parallel)
    return Devices(
        names,
        len(devices),
        process=process,
        processes=processes,
        gpus=gpus[:count],
        xla=True,
    )


def checked_count(replicas, gpus, batch_size, workers):
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


def is_lost_machine(error):
    """Whether an error is what TensorFlow raises when a worker is gone."""
    return isinstance(
        error,
        tf.errors.AbortedError
        | tf.errors.CancelledError
        | tf.errors.UnavailableError,
    )
