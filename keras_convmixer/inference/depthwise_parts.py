"""A large depthwise kernel as a sum of small ones.

XNNPACK, which runs TFLite on CPUs, has fast depthwise kernels for 25 taps and
less; with more taps a convolution is ten times slower and more. But a
depthwise convolution is linear: it is exactly the sum of convolutions with
some of the taps each, and taps at a regular distance are a dilated kernel.
"""

import functools
from typing import NamedTuple

# Taps of XNNPACK's kernels and what they cost, relative to each other; a
# convolution with taps in between costs as much as the next larger.
COST_OF_TAPS = {4: 0.3, 9: 0.4, 25: 1.0}
MAX_TAPS = max(COST_OF_TAPS)
# One more term in the sum, and one more copy of a part of the image.
COST_OF_ADDING = 0.15
COST_OF_CROPPING = 0.15


class Part(NamedTuple):
    """Taps of a kernel: those in `rows` and in `columns`, both ranges."""

    rows: range
    columns: range

    def cost(self, centre):
        taps = len(self.rows) * len(self.columns)
        kernel = min(size for size in COST_OF_TAPS if size >= taps)
        cost = COST_OF_TAPS[kernel] + COST_OF_ADDING
        if any(r[0] > centre or r[-1] < centre for r in self):
            cost += COST_OF_CROPPING
        return cost


@functools.cache
def depthwise_parts(kernel_size):
    """Parts of at most 25 taps that cover a kernel, each tap once.

    Args:
        kernel_size: Side of the kernel.

    Returns:
        A list of `Part`.
    """
    centre = (kernel_size - 1) // 2

    def cost(cover):
        return sum(part.cost(centre) for part in cover)

    @functools.cache
    def cheapest_cover(rows, columns):
        """Every n-th row, in n parts as wide as 25 taps allow; the columns
        that remain, at the left, are covered in the same way."""
        if len(rows) * len(columns) <= MAX_TAPS:
            return [Part(rows, columns)]
        covers = []
        for step in range(1, len(rows) + 1):
            phases = [rows[start::step] for start in range(step)]
            widths = [MAX_TAPS // len(phase) for phase in phases]
            if min(widths) == 0:
                continue
            cover = [Part(phase, columns[-min(widths) :]) for phase in phases]
            if columns[: -min(widths)]:
                cover += cheapest_cover(rows, columns[: -min(widths)])
            covers.append(cover)

            cover = []
            for phase, width in zip(phases, widths, strict=True):
                cover.append(Part(phase, columns[-width:]))
                if columns[:-width] and len(phase) < len(rows):
                    cover += cheapest_cover(phase, columns[:-width])
            if step > 1:
                covers.append(cover)
        return min(covers, key=cost)

    return cheapest_cover(range(kernel_size), range(kernel_size))
