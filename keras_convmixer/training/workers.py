"""Several machines that train one model with TensorFlow, each a worker.

Every machine runs the same command, with the cluster in its environment:

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]},
                "task": {"type": "worker", "index": 0}}' python train.py ...

The first worker, the chief, writes the run folder. The others read it when the
training goes on after a stop, so it has to be on a disk that all of them see.
"""


def is_lost_machine(error):
    """Whether an error is what TensorFlow raises when a worker is gone."""
    from tensorflow.errors import (
        AbortedError,
        CancelledError,
        UnavailableError,
    )

    return isinstance(error, AbortedError | CancelledError | UnavailableError)


def patch_fit():
    """Makes `fit` work with several workers in Keras 3.15.

    After every step it reduces the metrics, which are scalars, along their
    first axis; here along none.
    """
    import keras
    from keras.src.backend.tensorflow import trainer

    stock = trainer.reduce_per_replica

    def reduce_per_replica(values, strategy, reduction):
        if reduction != "auto":
            return stock(values, strategy, reduction)
        return keras.tree.map_structure(
            lambda value: strategy.reduce("MEAN", value, axis=None), values
        )

    trainer.reduce_per_replica = reduce_per_replica
