"""The splits of a depthwise kernel that are timed are the same function."""

import numpy as np

from benchmarks.depthwise import convert_layer, splits
from tests.helpers import outputs


def test_all_splits_of_a_kernel_give_the_same():
    images = np.random.default_rng(1).normal(size=(1, 8, 8, 2))
    files = {
        name: convert_layer(8, 2, 7, parts, "float32")
        for name, parts in splits(7).items()
    }
    expected = outputs(files.pop("as is"), images)
    for contents in files.values():
        found = outputs(contents, images)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
