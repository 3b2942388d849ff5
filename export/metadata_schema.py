"""The tables of TFLite's metadata schema (metadata_schema.fbs, M001).

They are written with the flatbuffers package: the schema's own Python writer
comes only with MediaPipe, whose wheel is larger than all else that an export
needs.
"""

from enum import IntEnum

import numpy as np


# Positions of fields in their tables.
class Model(IntEnum):
    NAME = 0
    DESCRIPTION = 1
    VERSION = 2
    SUBGRAPHS = 3
    AUTHOR = 4
    LICENSE = 5
    MIN_PARSER_VERSION = 7


class Subgraph(IntEnum):
    INPUTS = 2
    OUTPUTS = 3


class Tensor(IntEnum):
    NAME = 0
    DESCRIPTION = 1
    CONTENT = 3
    PROCESS_UNITS = 4
    STATS = 5
    FILES = 6


class Union(IntEnum):
    TYPE = 0
    VALUE = 1


class Image(IntEnum):
    COLOR_SPACE = 0


class Normalization(IntEnum):
    MEAN = 0
    STD = 1


class Stats(IntEnum):
    MAX = 0
    MIN = 1


class File(IntEnum):
    NAME = 0
    DESCRIPTION = 1
    TYPE = 2


# Values of the schema's enumerations.
class ContentType(IntEnum):
    FEATURE = 1
    IMAGE = 2


class ProcessUnitType(IntEnum):
    NORMALIZATION = 1


class ColorSpace(IntEnum):
    UNKNOWN = 0
    RGB = 1
    GRAYSCALE = 2


class FileType(IntEnum):
    TENSOR_AXIS_LABELS = 2


def write(builder, value):
    """Writes a value behind its parts; returns where it is.

    A dict is a table, its keys the positions of its fields; NumPy scalars lie
    in their table itself.
    """
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    if isinstance(value, list):
        parts = [write(builder, part) for part in value]
        builder.StartVector(4, len(parts), 4)
        for part in reversed(parts):
            builder.PrependUOffsetTRelative(part)
        return builder.EndVector()
    parts = {
        field: part if isinstance(part, np.integer) else write(builder, part)
        for field, part in value.items()
    }
    builder.StartObject(max(parts, default=-1) + 1)
    for field, part in parts.items():
        if isinstance(part, np.uint8):
            builder.PrependUint8Slot(field, int(part), 0)
        elif isinstance(part, np.int8):
            builder.PrependInt8Slot(field, int(part), 0)
        else:
            builder.PrependUOffsetTRelativeSlot(field, part, 0)
    return builder.EndObject()
