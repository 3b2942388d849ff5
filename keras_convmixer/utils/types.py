"""Types that several signatures share."""

import os
from collections.abc import Mapping, Sequence

StrPath = str | os.PathLike[str]
# Names of classes, in the order of the outputs or with their indices.
Labels = Sequence[str] | Mapping[str, int]
