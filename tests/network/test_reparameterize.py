"""The inference form computes what the trained model computes."""

import keras
import numpy as np
import pytest

from keras_convmixer import ConvMixer, reparameterize
from keras_convmixer.inference.depthwise_parts import (
    MAX_TAPS,
    Part,
    cover_in_strips,
    cover_phase_by_phase,
    depthwise_parts,
)
from keras_convmixer.inference.depthwise_tiles import (
    Tiling,
    depthwise_tiling,
)
from keras_convmixer.inference.layers import borders
from tests.helpers import randomize_norms, slow_except


def random_case(seed):
    """A network anywhere in the space of options, and images for it."""
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    patch_size = int(random.integers(1, 8))
    height, width = patch_size * random.integers(1, 8, 2)
    channels = int(random.choice([1, 3, 4]))
    pixels = bool(random.random() < 0.5)
    top = bool(random.random() < 0.6)
    fixed = bool(random.random() < 0.7)
    model = ConvMixer(
        dim=int(random.choice([1, 3, 8, 16])),
        depth=int(random.integers(1, 4)),
        kernel_size=seed % 17 + 1,
        patch_size=patch_size,
        activation=str(random.choice(["gelu", "relu", "silu"])),
        include_top=top,
        include_preprocessing=pixels,
        input_shape=(height, width, channels)
        if fixed
        else (None, None, channels),
        pooling=[None, "avg", "max"][seed % 3],
        classes=5,
        classifier_activation=[None, "softmax"][seed % 2],
    )
    randomize_norms(model, seed, extreme=True)
    images = random.uniform(0, 255, (2, height, width, channels))
    return model, images if pixels else images / 64 - 2


@pytest.mark.parametrize("start", slow_except(range(0, 40, 10), 0))
def test_equals_the_trained_model_on_random_networks(start):
    for seed in range(start, start + 10):
        model, images = random_case(seed)
        expected = model(images).numpy()
        outputs = reparameterize(model)(images).numpy()
        assert outputs.shape == expected.shape
        difference = np.abs(outputs - expected).max()
        assert difference <= 1e-5 * np.abs(expected).max(), f"seed {seed}"
    keras.backend.clear_session()


@pytest.mark.parametrize(
    ("channel_groups", "arrangement", "splits"),
    [(1, "cpu", 0), (2, "cpu", 1), (4, "cpu", 1), (4, "cpu_dynamic", 2)],
)
def test_groups_of_channels_change_nothing(channel_groups, arrangement, splits):
    model = ConvMixer(16, 2, 7, 2, input_shape=(8, 8, 3), classes=5)
    randomize_norms(model)
    images = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3))
    inference = reparameterize(model, arrangement, channel_groups)
    kinds = [type(operation).__name__ for operation in inference.operations]
    assert kinds.count("Split") == splits
    np.testing.assert_allclose(
        inference(images), model(images), rtol=1e-5, atol=1e-6
    )


def test_leaves_no_norm_and_no_large_depthwise_kernel():
    model = ConvMixer(8, 2, 9, 2, input_shape=(8, 8, 3), classes=5)
    for layer in reparameterize(model).layers:
        assert not isinstance(
            layer,
            keras.layers.BatchNormalization | keras.layers.Normalization,
        )
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            assert np.prod(layer.kernel_size) <= MAX_TAPS


@pytest.mark.parametrize("seed", range(0, 200, 40))
def test_equals_the_trained_model_as_gpus_run_it(seed):
    model, images = random_case(seed)
    expected = model(images).numpy()
    outputs = reparameterize(model, "gpu")(images).numpy()
    difference = np.abs(outputs - expected).max()
    assert difference <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("seed", range(6, 200, 20))
def test_equals_the_trained_model_in_tiles(seed):
    model, images = random_case(seed)
    expected = model(images).numpy()
    outputs = reparameterize(model, "integers_tiled")(images).numpy()
    difference = np.abs(outputs - expected).max()
    assert difference <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("height", "width", "kernel_size", "tiling"),
    [
        (16, 16, 7, Tiling(1, 16, down=3, right=0)),
        (16, 16, 8, Tiling(1, 16, down=4, right=0)),
        (32, 32, 9, Tiling(4, 4, down=1, right=1)),
        (8, 8, 7, Tiling(2, 8, down=2, right=0)),
        (4, 4, 7, Tiling(4, 4, down=0, right=0)),  # One tile is all.
        (28, 14, 7, Tiling(1, 14, down=3, right=0)),
        (16, 16, 5, None),  # Fast as it is.
        (19, 19, 7, None),  # A prime.
        (None, None, 7, None),
    ],
)
def test_tiles_of_a_map(height, width, kernel_size, tiling):
    assert depthwise_tiling(height, width, kernel_size) == tiling


@pytest.mark.parametrize("shape", [(32, 32), (16, 64), (8, 16)])
@pytest.mark.parametrize("kernel_size", [6, 7, 12])
def test_tiles_change_nothing(shape, kernel_size):
    model = ConvMixer(
        *(8, 1, kernel_size, 2), input_shape=(*shape, 3), classes=5
    )
    randomize_norms(model)
    images = np.random.default_rng(0).uniform(0, 255, (2, *shape, 3))
    inference = reparameterize(model, "integers_tiled")
    kinds = [type(layer).__name__ for layer in inference.layers]
    assert kinds.count("Permute") == 2
    np.testing.assert_allclose(
        inference(images), model(images), rtol=1e-5, atol=1e-6
    )


def test_gpus_run_whole_kernels_on_all_channels():
    model = ConvMixer(512, 1, 9, 2, input_shape=(4, 4, 3), classes=5)
    inference = reparameterize(model, "gpu")
    kinds = [type(layer).__name__ for layer in inference.layers]
    assert not {"Split", "Reshape", "Cropping2D"} & set(kinds)
    layer = inference.get_layer("block_0_group_0_depthwise_part_0")
    assert layer.kernel_size == (9, 9)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_model_of_mixed_precision_becomes_float32(policy):
    keras.config.set_dtype_policy(policy)
    try:
        mixed = ConvMixer(8, 2, 7, 2, input_shape=(8, 8, 3), classes=5)
        randomize_norms(mixed)
        inference = reparameterize(mixed)
    finally:
        keras.config.set_dtype_policy("float32")
    full = ConvMixer(8, 2, 7, 2, input_shape=(8, 8, 3), classes=5)
    full.set_weights(mixed.get_weights())
    images = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3))
    assert {layer.output.dtype for layer in inference.layers} == {"float32"}
    np.testing.assert_allclose(
        inference(images), full(images), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("dim", "groups"), [(256, 1), (513, 1), (516, 4), (1536, 8), (1540, 4)]
)
def test_groups_are_the_most_that_divide_the_channels(dim, groups):
    model = ConvMixer(dim, 1, 3, 4, input_shape=(8, 8, 3), include_top=False)
    filters = [
        layer.filters
        for layer in reparameterize(model).layers
        if type(layer) is keras.layers.Conv2D and layer.kernel.shape[2] == dim
    ]
    assert filters == [dim // groups] * groups


def test_is_saved_and_loaded_like_any_model(tmp_path):
    model = ConvMixer(16, 1, 7, 2, input_shape=(8, 8, 3), classes=5)
    inference = reparameterize(model, channel_groups=2)
    inference.save(tmp_path / "inference.keras")
    loaded = keras.saving.load_model(tmp_path / "inference.keras")
    images = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3))
    np.testing.assert_allclose(loaded(images), inference(images), rtol=1e-6)


@pytest.mark.parametrize("kernel_size", range(1, 24))
def test_parts_cover_every_tap_once(kernel_size):
    parts = depthwise_parts(kernel_size)
    taps = [(i, j) for part in parts for i in part.rows for j in part.columns]
    every = [(i, j) for i in range(kernel_size) for j in range(kernel_size)]
    assert sorted(taps) == every
    for part in parts:
        assert len(part.rows) * len(part.columns) <= MAX_TAPS


@pytest.mark.parametrize(
    ("rows", "padding", "cropping"),
    [
        (range(7), (3, 3), (0, 0)),  # Every tap of a kernel of seven.
        (range(1, 6, 2), (2, 2), (0, 0)),
        (range(4), (3, 0), (0, 0)),
        (range(2), (3, 0), (0, 2)),  # All before the centre.
        (range(4, 7), (0, 3), (1, 0)),  # All behind it.
        (range(3, 4), (0, 0), (0, 0)),
    ],
)
def test_borders_of_a_part(rows, padding, cropping):
    columns = range(2, 5)
    assert borders(Part(rows, columns), centre=3) == (
        [padding, (1, 1)],
        [cropping, (0, 0)],
    )


def test_a_strip_of_columns_has_one_part_a_phase():
    taps = range(9)
    cover = cover_in_strips(taps, taps, [taps[::2], taps[1::2]], centre=4)
    assert cover[:2] == [
        Part(range(0, 9, 2), range(4, 9)),
        Part(range(1, 9, 2), range(4, 9)),
    ]


def test_each_phase_is_as_wide_as_its_own_taps_allow():
    taps = range(9)
    cover = cover_phase_by_phase(taps, [taps[::2], taps[1::2]], centre=4)
    assert cover[0] == Part(range(0, 9, 2), range(4, 9))
    assert Part(range(1, 9, 2), range(3, 9)) in cover
