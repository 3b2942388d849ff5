"""A depthwise convolution as an ordinary one between tiles of the map.

An ordinary convolution of integers multiplies four bytes where a depthwise one
multiplies one: processors have an instruction for such sums. So the map is cut
into tiles of up to 16 pixels. Each pixel of a tile is, in each channel, a sum
over the pixels of the same and of the neighbouring tiles: an ordinary
convolution of a map whose pixels are the tiles and whose channels are a tile's
pixels, with one group for each channel. It is the same function in one
operator, and its kernel is large: every tap is in it once for each pixel of a
tile, beside zeros.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from keras_convmixer.inference.depthwise_parts import depthwise_parts

# As many outputs a group are computed together, whether there are or not.
LANES = 16
# Relative to the costs of `depthwise_parts`: one tap of the kernel between
# tiles, and the two changes of the map's order.
COST_OF_TAP = 0.1
COST_OF_MOVING = 0.5
LEAST_GAIN = 1.5  # Times as cheap as the parts, for a file so much larger.


class Tiling(NamedTuple):
    """How a map is cut.

    Attributes:
        rows, columns: Pixels of a tile.
        down, right: How many neighbours a tile needs on either side.
    """

    rows: int
    columns: int
    down: int
    right: int

    @property
    def taps(self):
        return (2 * self.down + 1) * (2 * self.right + 1)


@functools.cache
def depthwise_tiling(height, width, kernel_size):
    """The `Tiling` that is cheapest for a map.

    It is None where the parts of the kernel are not much dearer: for small
    kernels, and maps that can't be cut into equal tiles of nearly 16 pixels or
    are of any size.
    """
    parts = depthwise_parts(kernel_size)
    if len(parts) == 1 or not (height and width):
        return None
    tilings = [
        Tiling(
            rows,
            columns,
            reach(kernel_size, rows, height),
            reach(kernel_size, columns, width),
        )
        for rows in divisors(height)
        for columns in divisors(width)
        if rows * columns <= LANES
    ]
    # Of equals the one with the fewest rows, which is moved the fastest.
    tiling = min(tilings, key=lambda tiling: (tiling.taps, tiling.rows))
    cost = COST_OF_TAP * tiling.taps + COST_OF_MOVING
    centre = (kernel_size - 1) // 2
    cost_of_parts = sum(part.cost(centre) for part in parts)
    return tiling if LEAST_GAIN * cost <= cost_of_parts else None


def reach(kernel_size, pixels, size):
    """How many tiles of so many pixels a kernel reaches over, in one way."""
    return min(math.ceil((kernel_size // 2) / pixels), size // pixels - 1)


def divisors(number):
    return [n for n in range(1, number + 1) if number % n == 0]


def tiled_kernel(kernel, tiling):
    """The kernel of the convolution between tiles.

    From `(kernel_size, kernel_size, channels, 1)` it becomes
    `(2 down + 1, 2 right + 1, pixels, channels * pixels)`, where `pixels` are
    those of a tile.
    """
    size = kernel.shape[0]
    rows, columns, down, right = tiling
    row_taps = taps_between(size, rows, down)
    column_taps = taps_between(size, columns, right)
    # Whatever lies outside of the kernel is its last row and column.
    padded = np.pad(kernel[..., 0], [(0, 1), (0, 1), (0, 0)])
    tiled = padded[
        row_taps[:, None, :, None, :, None],
        column_taps[None, :, None, :, None, :],
    ]
    # -> (down, right, row in, column in, channel, row out, column out)
    tiled = np.moveaxis(tiled, -1, 4)
    return tiled.reshape(2 * down + 1, 2 * right + 1, rows * columns, -1)


def taps_between(size, pixels, neighbours):
    """Which tap of a kernel leads from one pixel to another, in one way.

    Returns:
        Indices `(tile, pixel in, pixel out)`; `size` for none.
    """
    tiles, inputs, outputs = np.ogrid[
        -neighbours : neighbours + 1, :pixels, :pixels
    ]
    taps = tiles * pixels + inputs - outputs + (size - 1) // 2
    return np.where((taps >= 0) & (taps < size), taps, size)
