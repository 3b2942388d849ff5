"""Depthwise kernels that are drawn with a covariance."""

import keras
import numpy as np
import pytest

from keras_convmixer import ConvMixer
from keras_convmixer.initializers import (
    CovarianceInitializer,
    covariance_root,
)
from keras_convmixer.training.recipes import RECIPES
from keras_convmixer.utils.checks import UserError

SMALL = {"dim": 64, "depth": 3, "kernel_size": 9, "patch_size": 4}


def network(**options):
    keras.utils.set_random_seed(0)
    return ConvMixer(**SMALL, input_shape=(16, 16, 3), classes=3, **options)


def kernel_covariance(kernel_size, depth_share):
    root = covariance_root(kernel_size, depth_share)
    return root @ root.T


def kernels(model, index):
    layer = model.get_layer(f"block_{index}_depthwise")
    return keras.ops.convert_to_numpy(layer.kernel)


def width(covariance):
    """Mean distance from the kernel's middle, weighted by the variance."""
    side = int(len(covariance) ** 0.5)
    down, right = np.indices((side, side)) - side // 2
    variance = np.diag(covariance)
    return np.average(np.hypot(down, right).reshape(-1), weights=variance)


@pytest.mark.parametrize("size", [*range(1, 12), 15])
def test_a_covariance_is_symmetric_and_positive_semidefinite(size):
    covariance = kernel_covariance(size, 0.5)
    assert covariance.shape == (size**2, size**2)
    np.testing.assert_allclose(covariance, covariance.T, atol=1e-12)
    values = np.linalg.eigvalsh(covariance)
    assert values[0] >= -1e-12 * values[-1]
    assert values[-1] > 0


@pytest.mark.parametrize("size", [4, 5])
def test_drawn_kernels_have_the_covariance(size):
    draw = CovarianceInitializer(0.5, seed=1)
    drawn = keras.ops.convert_to_numpy(draw((size, size, 5000, 2)))
    found = np.cov(drawn.reshape(size**2, -1))
    expected = kernel_covariance(size, 0.5)
    # A covariance of 10,000 kernels is off by a hundredth of the variance.
    assert np.abs(found - expected).max() <= 0.06 * expected.max()
    assert np.abs(drawn.mean((2, 3))).max() <= 0.05


@pytest.mark.parametrize("size", [3, 8, 9])
def test_deeper_kernels_are_wider(size):
    shares = (0, 0.25, 0.5, 0.75, 1)
    widths = [width(kernel_covariance(size, share)) for share in shares]
    assert widths == sorted(set(widths))


def test_neighbours_are_alike():
    covariance = kernel_covariance(9, 0.5)
    middle, neighbour = 40, 41
    scale = np.sqrt(
        covariance[middle, middle] * covariance[neighbour, neighbour]
    )
    assert covariance[middle, neighbour] >= 0.5 * scale


def test_a_seed_says_which_kernels():
    shape = (5, 5, 8, 1)
    draw = CovarianceInitializer(0.5, seed=1)
    again = CovarianceInitializer.from_config(draw.get_config())
    other = CovarianceInitializer(0.5, seed=2)
    first = keras.ops.convert_to_numpy(draw(shape))
    np.testing.assert_array_equal(first, again(shape))
    assert np.abs(first - other(shape)).max() > 0.1


def test_own_layers_are_saved_with_it(tmp_path):
    layer = keras.layers.DepthwiseConv2D(
        5, depthwise_initializer=CovarianceInitializer(0.5, seed=1)
    )
    model = keras.Sequential([keras.Input((8, 8, 4)), layer])
    model.save(tmp_path / "model.keras")
    read = keras.models.load_model(tmp_path / "model.keras")
    config = read.layers[0].depthwise_initializer.get_config()
    assert config == {"depth_share": 0.5, "seed": 1}


def test_a_network_differs_in_its_depthwise_kernels_only():
    uniform, drawn = network(), network(depthwise_initializer="covariance")
    assert uniform.get_config() == drawn.get_config()
    assert [v.shape for v in uniform.weights] == [
        v.shape for v in drawn.weights
    ]
    for index in range(SMALL["depth"]):
        found = kernels(drawn, index)
        covariance = kernel_covariance(9, index / (SMALL["depth"] - 1))
        assert np.abs(kernels(uniform, index)).max() <= 1 / 9
        assert found.var() == pytest.approx(np.diag(covariance).mean(), rel=0.3)
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3))
    assert np.isfinite(drawn(images)).all()


def test_the_same_seed_builds_the_same_network():
    first, second = (
        network(depthwise_initializer="covariance") for _ in range(2)
    )
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(kernels(first, 1), kernels(first, 2))


def test_a_recipe_has_it():
    recipe = RECIPES["digits"].replace(dim=8, depth=1)
    drawn = recipe.replace(depthwise_initializer="covariance").build(10)
    assert np.abs(kernels(drawn, 0)).max() > 1 / 7
    assert np.abs(kernels(recipe.build(10), 0)).max() <= 1 / 7
    with pytest.raises(UserError, match="mean 'covariance'"):
        recipe.replace(depthwise_initializer="covarianse")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depthwise_initializer": "covarianse"}, "mean 'covariance'"),
        (
            {"depthwise_initializer": "covariance", "kernel_size": 32},
            "at most 31",
        ),
    ],
)
def test_what_is_not_allowed(options, words):
    with pytest.raises(UserError, match=words):
        ConvMixer(**{**SMALL, **options}, input_shape=(16, 16, 3))


def test_kernels_that_are_not_square_and_shares_out_of_range():
    with pytest.raises(UserError, match="must be square"):
        CovarianceInitializer(0.5)((3, 5, 8, 1))
    with pytest.raises(UserError, match="from 0 to 1"):
        CovarianceInitializer(1.5)


def test_learned_kernels_have_a_covariance_like_it():
    """More like it than like that of independent weights, in every block."""
    model = ConvMixer(
        *(128, 8, 7, 2), input_shape=(32, 32, 3), classes=10, weights="cifar10"
    )
    for block in range(8):
        learned = np.cov(kernels(model, block).reshape(49, -1)).ravel()
        drawn = kernel_covariance(7, block / 7).ravel()
        drawn, independent = (
            np.corrcoef(learned, covariance)[0, 1]
            for covariance in (drawn, np.eye(49).ravel())
        )
        assert drawn > independent + 0.1
        assert drawn > 0.6
