"""How channels are scaled for eight bits: the same function, less lost."""

import keras
import numpy as np
import pytest

from export.int8.equalize import channel_ranges, equalize_channels
from export.tflite import convert
from keras_convmixer import ConvMixer, reparameterize
from tests.helpers import outputs, randomize_norms


def random_network(kernel_size=5, spread=0.0):
    """A ConvMixer, in whose norms channels differ in scale.

    Args:
        kernel_size: That of `ConvMixer`.
        spread: By how many times the scales of channels differ, as the
            standard deviation of their logarithms.
    """
    keras.utils.set_random_seed(0)
    model = ConvMixer(
        *(16, 2, kernel_size, 2), input_shape=(16, 16, 3), classes=5
    )
    randomize_norms(model)
    random = np.random.default_rng(0)
    for block, norm in enumerate(("stem_norm", "block_0_pointwise_norm")):
        scale = np.float32(np.exp(spread * random.normal(size=16)))
        scale_norm(model, norm, scale)
        scale_norm(model, f"block_{block}_depthwise_norm", scale)
        for name in ("depthwise", "pointwise"):
            layer = model.get_layer(f"block_{block}_{name}")
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel / scale[:, None], bias])
    return model


def scale_norm(model, name, scale):
    """Scales what a norm gives, each channel by another number."""
    norm = model.get_layer(name)
    gamma, beta, *statistics = norm.get_weights()
    norm.set_weights([gamma * scale, beta * scale, *statistics])


@pytest.mark.parametrize(
    ("kernel_size", "tiles"), [(5, False), (9, False), (9, True)]
)
def test_the_function_stays_the_same(images, kernel_size, tiles):
    """Of whole kernels, of parts, and between tiles."""
    model = random_network(kernel_size, spread=1)
    inference = reparameterize(model, "integers_tiled" if tiles else "integers")
    before = inference.get_weights()
    equalize_channels(inference, images)
    after = inference.get_weights()
    assert not np.allclose(before[2], after[2])
    np.testing.assert_allclose(
        inference.predict(np.float32(images), verbose=0),
        model.predict(images, verbose=0),
        atol=1e-5,
    )


def test_ranges_are_more_alike(images):
    inference = reparameterize(random_network(spread=1), "integers")
    sums = [inference.get_layer(f"block_{i}_group_0_add") for i in (0, 1)]
    tensors = [tensor for add in sums for tensor in (*add.input, add.output)]
    before = channel_ranges(inference, tensors, images)
    equalize_channels(inference, images)
    after = channel_ranges(inference, tensors, images)
    assert (np.log(after).std(axis=1) < 0.8 * np.log(before).std(axis=1)).all()


@pytest.mark.slow
def test_channels_of_different_scale_lose_no_more(images):
    """Than those of one scale, in the same function's int8 file."""
    models = [random_network(spread=spread) for spread in (0, 1.5)]
    exact = [model.predict(images, verbose=0) for model in models]
    np.testing.assert_allclose(*exact, atol=1e-5)
    files = [convert(model, "int8", images) for model in models]
    of_one, of_many = (
        np.abs(outputs(file, images) - exact[0]).mean() for file in files
    )
    assert of_many < 2 * of_one


def test_channels_that_are_always_zero_stay_so(images):
    model = random_network()
    for name in ("stem_norm", "block_0_depthwise_norm"):
        scale_norm(model, name, np.zeros(16))
    scale_norm(model, "block_0_pointwise_norm", np.arange(16) != 3)
    inference = reparameterize(model, "integers")
    equalize_channels(inference, images)
    np.testing.assert_allclose(
        inference.predict(np.float32(images), verbose=0),
        model.predict(images, verbose=0),
        atol=1e-5,
    )
