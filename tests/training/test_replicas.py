"""Several replicas compute what one computes."""

import numpy as np

from tests.processes import run_command

ONE_STEP = """
import sys
from keras_convmixer.utils.commands import quiet_tensorflow
quiet_tensorflow()
import keras, numpy as np, tensorflow as tf
from keras_convmixer.training.recipes import DIGITS
from keras_convmixer.training.devices import distribute
from keras_convmixer.training.compile import (compile_for_training)

replicas, path = int(sys.argv[1]), sys.argv[2]
devices = distribute(replicas, 64)
assert len(devices.names) == replicas
keras.utils.set_random_seed(1)
with devices.scope():
    model = devices.prepare(DIGITS.build(10))
    compile_for_training(model, DIGITS, total_steps=4)
    # A plain gradient step: AdamW's first one is the gradient's sign, which
    # turns rounding into steps of full length.
    model.compile(keras.optimizers.SGD(1.0), loss=model.loss)
before = model.get_weights()
random = np.random.default_rng(0)
images = random.integers(0, 256, (64, 8, 8, 3)).astype("uint8")
images[:32] //= 3  # The halves of the batch differ, so that norms matter.
labels = np.eye(10)[random.integers(0, 10, 64)]
batches = tf.data.Dataset.from_tensors((images, labels))
model.fit(batches, epochs=1, shuffle=False, verbose=0)
np.savez(path, *[a - b for a, b in zip(model.get_weights(), before)])
"""


def test_a_step_on_two_replicas_is_that_of_one(tmp_path):
    weights = []
    for replicas in (1, 2):
        path = tmp_path / f"{replicas}.npz"
        run_command("-c", ONE_STEP, replicas, path)
        weights.append(list(np.load(path).values()))
    for one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-3 * np.abs(one).max())
