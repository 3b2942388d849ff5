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
    """The `Part`s, of at most 25 taps, that cover a kernel, each tap once."""
    taps = range(kernel_size)
    return cheapest_cover(taps, taps, (kernel_size - 1) // 2)


@functools.cache
def cheapest_cover(rows, columns, centre):
    """The cheapest parts of at most 25 taps for those rows and columns."""
    if len(rows) * len(columns) <= MAX_TAPS:
        return [Part(rows, columns)]
    covers = []
    for step in range(1, len(rows) + 1):
        phases = [rows[start::step] for start in range(step)]
        if len(phases[0]) > MAX_TAPS:
            continue
        covers.append(cover_in_strips(rows, columns, phases, centre))
        if step > 1:
            covers.append(cover_phase_by_phase(columns, phases, centre))
    return min(covers, key=lambda cover: sum(p.cost(centre) for p in cover))


def cover_in_strips(rows, columns, phases, centre):
    """A strip of columns in one part a phase, then the columns to its left.

    The strip is as wide as 25 taps allow for the longest phase.
    """
    width = MAX_TAPS // max(map(len, phases))
    strip = [Part(phase, columns[-width:]) for phase in phases]
    rest = columns[:-width]
    return strip + (cheapest_cover(rows, rest, centre) if rest else [])


def cover_phase_by_phase(columns, phases, centre):
    """Each phase, every n-th row, as wide as 25 taps allow, then its rest."""
    cover = []
    for phase in phases:
        width = MAX_TAPS // len(phase)
        cover.append(Part(phase, columns[-width:]))
        if columns[:-width]:
            cover += cheapest_cover(phase, columns[:-width], centre)
    return cover
