"""Pictures that are in a folder twice: the same file, or nearly the same look.

Each picture has a perceptual hash, 256 bits: of a 17 x 16 grey version, whether
each level is larger than its left neighbour's. Copies that are scaled,
compressed again or a little brighter differ in few bits. Cuts, mirrored and
turned copies, and pictures with hardly a structure are not seen.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from keras_convmixer.data.index import HELD_OUT, TEST, TRAIN, named
from keras_convmixer.data.perceptual_hash import BITS

# Bits in which near duplicates differ at most. Of 6.6 million pairs of
# photographs of everyday things and of hand signs none differs in less than 13.
FARTHEST = 12
# The same as a share of the rarer kind of bit, where nearly all are alike.
FARTHEST_SHARE = 1 / 4
# Near duplicates are looked for among neighbours in several orders.
ORDERS = 16
NEIGHBOURS = 4


def duplicate_groups(rows):
    """Which pictures are duplicates of one another, or near duplicates.

    Time and memory grow little faster than their number: only pictures that
    are neighbours in one of `ORDERS` orders of some of the bits are compared.

    Args:
        rows: `IndexedImage`s of pictures that can be read.

    Returns:
        int `[N]`, the number of each picture's group, from 0; most are alone
        in theirs.
    """
    _, same_file = np.unique([row.digest for row in rows], return_inverse=True)
    order = np.argsort(same_file, kind="stable")
    same = same_file[order[1:]] == same_file[order[:-1]]
    pairs = [np.stack([order[:-1], order[1:]])[:, same]]
    hashes = b"".join(bytes.fromhex(row.hash) for row in rows)
    hashes = np.frombuffer(hashes, "uint8").reshape(len(rows), -1)
    pairs.append(near_pairs(hashes))
    one, two = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(one), bool), (one, two)), 2 * (len(rows),))
    return connected_components(graph, directed=False)[1]


def near_pairs(hashes):
    """Pairs of hashes that differ in few bits.

    Args:
        hashes: uint8 `[N, BITS / 8]`.

    Returns:
        int `[2, pairs]`, places in `hashes`. Of many that are all near, enough
        to connect them.
    """
    words = hashes.view("uint64")
    ones = np.bitwise_count(words).sum(-1, dtype="int64")
    farthest = FARTHEST_SHARE * np.minimum(ones, BITS - ones)
    farthest = np.minimum(farthest.astype(int), FARTHEST)
    random = np.random.default_rng(0)
    found = [np.empty((2, 0), int)]
    for _ in range(ORDERS):
        bits = random.permutation(BITS)[:64]
        chosen = hashes[:, bits // 8] >> (7 - bits % 8).astype("uint8") & 1
        chosen = np.packbits(np.ascontiguousarray(chosen), axis=-1)
        key = chosen.view("uint64")[:, 0]
        order = np.argsort(key)
        for step in range(1, NEIGHBOURS + 1):
            one, two = order[:-step], order[step:]
            different = np.bitwise_count(words[one] ^ words[two])
            allowed = np.minimum(farthest[one], farthest[two])
            near = different.sum(-1, dtype="int64") <= allowed
            pair = np.stack([one, two])[:, near & (allowed > 0)]
            found.append(pair)
    return np.concatenate(found, axis=1)


def complaints(rows, groups):
    """Duplicates that are in two parts or two classes, in words.

    Args:
        rows: `IndexedImage`s.
        groups: Their groups, as `duplicate_groups` gives them.

    Returns:
        A list of lines, empty if all is well.
    """
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
                f"{len(twins):,} pictures of the part {part} are in {other} "
                f"too, or nearly: {named(twins)}"
            )
    mixed = []
    for group in members.values():
        by_class = {row.name: row.file for row in group}
        if len(by_class) > 1:
            mixed.append(" = ".join(by_class.values()))
    if mixed:
        lines.append(
            f"{len(mixed):,} pictures are in several classes, or nearly: "
            f"{named(mixed)}"
        )
    return lines
