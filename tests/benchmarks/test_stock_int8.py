"""What small channels cost the stock converter."""

import keras
import numpy as np

from benchmarks.stock_int8 import make_small_channels_constant
from keras_convmixer import ConvMixer


def test_a_small_channel_becomes_its_mean_and_no_other_changes():
    keras.utils.set_random_seed(0)
    model = ConvMixer(
        dim=8,
        depth=1,
        kernel_size=3,
        patch_size=2,
        input_shape=(8, 8, 3),
        classes=2,
    )
    stem = model.get_layer("stem_conv")
    small = np.where(np.arange(8) == 5, 1e-3, 1)
    stem.set_weights([small * weight for weight in stem.get_weights()])
    norm = model.get_layer("stem_norm")
    norm.set_weights([np.random.uniform(0.5, 2, 8) for _ in range(4)])
    normed = keras.Model(model.input, norm.output)
    images = np.random.default_rng(0).uniform(0, 255, (6, 8, 8, 3))
    before = normed.predict(images, verbose=0)

    assert make_small_channels_constant(model, images) == (24, 1)

    after = normed.predict(images, verbose=0)
    mean = before[..., 5].mean()
    np.testing.assert_allclose(after[..., 5], mean, rtol=1e-5)
    assert np.ptp(before[..., 5]) > 1e-4
    others = [0, 1, 2, 3, 4, 6, 7]
    np.testing.assert_array_equal(after[..., others], before[..., others])
