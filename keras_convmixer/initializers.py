"""Depthwise kernels drawn with a covariance, as trained ones have it.

The idea, Gaussians around every entry that widen with depth, is that of
"Understanding the Covariance Structure of Convolutional Filters"
(Trockman, Willmott and Kolter, arXiv:2210.03651). The formula and its constants
were not compared with the paper's and may differ from them.
"""

import itertools

import keras
import numpy as np

from keras_convmixer.utils.checks import UserError

# Of the Gaussians' variance, in kernel sides of squared pixels: in the first
# block, its growth and half the growth's growth over the whole depth. They are
# ours: no learned kernel and no accuracy has chosen them.
FIRST, SPEED, ACCELERATION = 0.15, 0.5, 0.125
# A covariance has the fourth power of the kernel's side of entries.
MAX_KERNEL_SIZE = 31


@keras.saving.register_keras_serializable(package="keras_convmixer")
class CovarianceInitializer(keras.initializers.Initializer):
    """Draws kernels of mean zero with the covariance of `covariance_root`.

    Args:
        depth_share: Where in the network the layer is, from 0 (the first
            block) to 1 (the last): deeper kernels are wider.
        seed: An integer, so that every call gives the same kernels; None for
            one that is drawn here.

    Raises:
        UserError: If the share is not from 0 to 1, or a kernel is not square
            or larger than 31.

    Example:

    >>> from keras_convmixer.initializers import CovarianceInitializer
    >>> CovarianceInitializer(depth_share=0.5)((9, 9, 64, 1)).shape
    TensorShape([9, 9, 64, 1])
    """

    def __init__(self, depth_share, seed=None):
        if not 0 <= depth_share <= 1:
            raise UserError(
                f"depth_share must be from 0 to 1. Received: {depth_share!r}"
            )
        self.depth_share = depth_share
        self.normal = keras.initializers.RandomNormal(stddev=1.0, seed=seed)

    def __call__(self, shape, dtype=None):
        """A kernel `[k, k, channels, multiplier]`."""
        height, width, channels, multiplier = shape
        if height != width:
            raise UserError(
                f"depthwise kernels must be square. Received: {tuple(shape)}"
            )
        root = covariance_root(height, self.depth_share)
        noise = self.normal((height**2, channels * multiplier), dtype)
        root = keras.ops.convert_to_tensor(root, noise.dtype)
        return keras.ops.reshape(keras.ops.matmul(root, noise), shape)

    def get_config(self):
        return {
            "depth_share": self.depth_share,
            "seed": self.normal.get_config()["seed"],
        }


def covariance_root(kernel_size, depth_share):
    """R of the covariance R R^T of a depthwise kernel's entries.

    With Z a Gaussian in the middle of the kernel, entries p and q have

        (Z_p + Z_q) / 2 * (Z_(q - p) - (Z_p + Z_q) / 4)

    The first factor leaves little at the border, the second makes
    neighbours alike, and far entries of opposite sign; differences wrap
    around. What is negative of its spectrum is set to zero.

    Args:
        kernel_size: Side of the kernel, k.
        depth_share: As for `CovarianceInitializer`.

    Returns:
        float64 `[k * k, k * k]`; rows are in the order of the kernel's
        entries.
    """
    if kernel_size > MAX_KERNEL_SIZE:
        raise UserError(
            f"kernel_size must be at most {MAX_KERNEL_SIZE} for "
            f"depthwise_initializer='covariance'. Received: {kernel_size!r}"
        )
    growth = SPEED * depth_share + ACCELERATION * depth_share**2
    variance = kernel_size * (FIRST + growth)
    offsets = np.arange(kernel_size) - kernel_size // 2
    squares = offsets**2
    gaussian = np.exp(-(squares[:, None] + squares) / (2 * variance))
    # In each row, the Gaussian's middle is at another entry.
    alike = np.stack(
        [
            np.roll(gaussian, move, (0, 1)).reshape(-1)
            for move in itertools.product(offsets, offsets)
        ]
    )
    middle = gaussian.reshape(-1)
    middle = (middle[:, None] + middle) / 2
    values, vectors = np.linalg.eigh(middle * (alike - middle / 2))
    return vectors * np.sqrt(np.maximum(values, 0))
