"""Duplicate images in a folder: the same file, or nearly the same look.

Each image has a perceptual hash, 256 bits: of a 17 x 16 grey version, whether
each level is larger than its left neighbour's. Copies that are scaled,
compressed again or a little brighter differ in few bits. Cuts, mirrored and
turned copies, and images with hardly a structure are not seen.
"""

import itertools
import sys

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from keras_convmixer.data.index import HELD_OUT, TEST, TRAIN, abbreviate
from keras_convmixer.utils.checks import UserError

HASHED_SIZE = (64, 64)  # Pixels from which the hash is made.
COLUMNS, ROWS = 16, 16
BITS = COLUMNS * ROWS
# Bits in which near duplicates differ at most. Of 6.6 million pairs of
# photographs of everyday things and of hand signs none differs in less than 13.
FARTHEST = 12
# The same as a share of the rarer kind of bit, where nearly all are alike.
FARTHEST_SHARE = 1 / 4
CHUNKS = FARTHEST + 2
MAX_EQUAL = 32


def perceptual_hash(image):
    """64 hexadecimal digits of an upright `PIL.Image` of `HASHED_SIZE`."""
    size = (COLUMNS + 1, ROWS)
    levels = image.convert("L").resize(size, Image.Resampling.BILINEAR)
    levels = np.asarray(levels, "int16")
    return np.packbits(levels[:, 1:] > levels[:, :-1]).tobytes().hex()


def duplicate_groups(rows):
    """Which images are duplicates of one another, or near duplicates.

    Time and memory grow little faster than their number.

    Args:
        rows: `IndexedImage`s of images that can be read.

    Returns:
        int `[N]`, the number of each image's group, from 0; most are alone.
    """
    _, same_file = np.unique([row.digest for row in rows], return_inverse=True)
    hashes = b"".join(bytes.fromhex(row.hash) for row in rows)
    hashes = np.frombuffer(hashes, "uint8").reshape(len(rows), -1)
    return join(same_file, near_pairs(hashes))


def near_pairs(hashes):
    """Pairs of hashes that differ in few bits.

    Hashes that differ in at most `FARTHEST` bits are equal in at least two of
    `CHUNKS` chunks of their bits. So for every two chunks, hashes that are
    equal in both are compared, and no pair is missed. Only if more than
    `MAX_EQUAL` different hashes are equal in two chunks, which takes many
    images of hardly any structure, those far apart in the order are not.

    Args:
        hashes: uint8 `[N, BITS / 8]`.

    Returns:
        int `[2, pairs]`, places in `hashes`. Of many that are all near, enough
        to connect them.
    """
    words, places, inverse = np.unique(
        hashes.view("uint64"), axis=0, return_index=True, return_inverse=True
    )
    ones = np.bitwise_count(words).sum(-1, dtype="int64")
    farthest = FARTHEST_SHARE * np.minimum(ones, BITS - ones)
    farthest = np.minimum(farthest.astype(int), FARTHEST)
    equal = np.stack([places[inverse], np.arange(len(hashes))])
    found = [equal[:, (equal[0] != equal[1]) & (farthest[inverse] > 0)]]
    groups = np.arange(len(words))
    for first, second in itertools.combinations(chunks_of(hashes[places]), 2):
        keys = first << np.uint64(32) | second
        order = np.argsort(keys, kind="stable")
        # Copies in this order are faster to read than scattered rows.
        keys, in_order, bits = keys[order], words[order], farthest[order]
        one = np.arange(len(keys))
        for step in range(1, MAX_EQUAL):
            one = one[: np.searchsorted(one, len(keys) - step)]
            one = one[keys[one] == keys[one + step]]
            if not len(one):
                break
            two = one + step
            different = np.bitwise_count(in_order[one] ^ in_order[two])
            allowed = np.minimum(bits[one], bits[two])
            near = different.sum(-1, dtype="uint16") <= allowed
            pairs = order[np.stack([one[near], two[near]])]
            pairs = pairs[:, groups[pairs[0]] != groups[pairs[1]]]
            if pairs.size:
                groups = join(groups, pairs)
                found.append(places[pairs])
    return np.concatenate(found, axis=1)


def chunks_of(hashes):
    """The bits as `CHUNKS` integers: a uint64 `[N]` each.

    The bits of a chunk come from all over the image, as neighbours are alike.
    """
    bits = np.random.default_rng(0).permutation(BITS)
    for chunk in np.array_split(bits, CHUNKS):
        values = hashes[:, chunk // 8] >> (7 - chunk % 8).astype("uint8") & 1
        yield values @ (1 << np.arange(len(chunk), dtype="uint64"))


def join(groups, pairs):
    """Numbers of groups, from 0, after the groups of each pair became one."""
    count = groups.max() + 1
    edges = np.ones(pairs.shape[1], bool)
    graph = coo_array((edges, tuple(groups[pairs])), (count, count))
    return connected_components(graph, directed=False)[1][groups]


def check_duplicates(rows, duplicates):
    """Names images that are in two parts or classes; raises if that is asked.

    Args:
        rows: `IndexedImage`s of images that can be read.
        duplicates: As a `Source` has it.
    """
    groups = duplicate_groups(rows)
    shared = np.bincount(groups)[groups] > 1
    members = {}
    for place in np.flatnonzero(shared):
        members.setdefault(groups[place], []).append(rows[place])
    lines = []
    for part, other in ((HELD_OUT, TRAIN), (TEST, TRAIN), (TEST, HELD_OUT)):
        twins = []
        for group in members.values():
            there = [row.file for row in group if row.part == other]
            here = [row.file for row in group if row.part == part]
            twins += [f"{file} = {there[0]}" for file in here if there]
        if twins:
            lines.append(
                f"{len(twins):,} images of the {part} split are in {other} "
                f"too, or nearly: {abbreviate(twins)}"
            )
    mixed = []
    for group in members.values():
        by_class = {row.name: row.file for row in group}
        if len(by_class) > 1:
            mixed.append(" = ".join(by_class.values()))
    if mixed:
        lines.append(
            f"{len(mixed):,} images are in several classes, or nearly: "
            f"{abbreviate(mixed)}"
        )
    if lines and duplicates == "error":
        raise UserError(f"duplicates: {'. '.join(lines)}")
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)
