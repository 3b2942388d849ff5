"""The tables of TFLite's metadata schema (metadata_schema.fbs, M001).

They are written and read with the flatbuffers package: the schema's own Python
code comes only with MediaPipe, whose wheel is larger than all else that an
export needs.
"""

import zipfile
from enum import IntEnum
from pathlib import Path

import flatbuffers
import numpy as np
from flatbuffers.number_types import Float32Flags, Uint8Flags, UOffsetTFlags

from keras_convmixer.utils.checks import UserError

METADATA = "TFLITE_METADATA"  # Name of the metadata in the file.
LABELS = "labels.txt"  # Name of the file of labels that is packed with it.
MAX_LABEL_BYTES = 2**24


# Fields of tables, by their position in the schema.
Model = IntEnum(
    "Model",
    "NAME DESCRIPTION VERSION SUBGRAPHS AUTHOR LICENSE FILES "
    "MIN_PARSER_VERSION",
    start=0,
)
Subgraph = IntEnum("Subgraph", "NAME DESCRIPTION INPUTS OUTPUTS", start=0)
Tensor = IntEnum(
    "Tensor",
    "NAME DESCRIPTION DIMENSION_NAMES CONTENT PROCESS_UNITS STATS FILES",
    start=0,
)
Union = IntEnum("Union", "TYPE VALUE", start=0)
Image = IntEnum("Image", "COLOR_SPACE", start=0)
Normalization = IntEnum("Normalization", "MEAN STD", start=0)
Thresholding = IntEnum("Thresholding", "GLOBAL_SCORE_THRESHOLD", start=0)
Stats = IntEnum("Stats", "MAX MIN", start=0)
File = IntEnum("File", "NAME DESCRIPTION TYPE", start=0)

# Values of the schema's enumerations.
ContentType = IntEnum("ContentType", {"FEATURE": 1, "IMAGE": 2})
ProcessUnitType = IntEnum(
    "ProcessUnitType", {"NORMALIZATION": 1, "SCORE_THRESHOLDING": 3}
)
ColorSpace = IntEnum("ColorSpace", "UNKNOWN RGB GRAYSCALE", start=0)
FileType = IntEnum("FileType", {"TENSOR_AXIS_LABELS": 2})


class Table(flatbuffers.table.Table):
    """A table in the bytes of a description, to be read field by field."""

    @classmethod
    def root(cls, data):
        """The table that holds all others."""
        return cls(
            data, flatbuffers.encode.Get(UOffsetTFlags.packer_type, data, 0)
        )

    def number(self, field, flags):
        """A number that lies in the table itself; 0 where there is none."""
        offset = self.Offset(4 + 2 * field)
        return self.Get(flags, self.Pos + offset) if offset else 0

    def numbers(self, field):
        """The float32 numbers of a vector; empty where it is not there."""
        offset = self.Offset(4 + 2 * field)
        size = self.VectorLen(offset) if offset else 0
        start = self.Vector(offset) if size else 0
        data = self.Bytes[start : start + 4 * size]
        # A length beyond the end, in a damaged file, is that of none.
        return np.frombuffer(data if len(data) == 4 * size else b"", "<f4")

    def table(self, field):
        """A table that there is."""
        position = self.Pos + self.Offset(4 + 2 * field)
        return Table(self.Bytes, self.Indirect(position))

    def tables(self, field):
        """The tables of a vector; none where it is not there."""
        offset = self.Offset(4 + 2 * field)
        if offset:
            start = self.Vector(offset)
            for index in range(self.VectorLen(offset)):
                position = self.Indirect(start + 4 * index)
                yield Table(self.Bytes, position)


def write(builder, value):
    """Writes a value after its parts; returns where it is.

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
        field: part if isinstance(part, np.number) else write(builder, part)
        for field, part in value.items()
    }
    builder.StartObject(max(parts, default=-1) + 1)
    for field, part in parts.items():
        if isinstance(part, np.uint8):
            builder.PrependUint8Slot(field, int(part), 0)
        elif isinstance(part, np.int8):
            builder.PrependInt8Slot(field, int(part), 0)
        elif isinstance(part, np.float32):
            builder.PrependFloat32Slot(field, float(part), 0.0)
        else:
            builder.PrependUOffsetTRelativeSlot(field, part, 0)
    return builder.EndObject()


def read_labels(path):
    """The labels in a TFLite file.

    Raises:
        UserError: If there are none.
    """
    try:
        with zipfile.ZipFile(path) as files:
            if files.getinfo(LABELS).file_size > MAX_LABEL_BYTES:
                raise UserError("it is too long")
            return files.read(LABELS).decode().splitlines()
    # Zip and its compressions each have their own for a bad file.
    except Exception as error:
        raise UserError(f"{path} holds no {LABELS}: {error}") from None


def read_threshold(path):
    """The score below which a TFLite file is not sure; None if it has none.

    Raises:
        UserError: If its metadata can't be read.
    """
    for kind, options in process_units(path, Subgraph.OUTPUTS):
        if kind == ProcessUnitType.SCORE_THRESHOLDING:
            field = Thresholding.GLOBAL_SCORE_THRESHOLD
            return options.number(field, Float32Flags)
    return None


def read_normalization(path):
    """How a TFLite file says that its images come from pixels, 0 to 255.

    Returns:
        `(mean, std)`: they are (pixel - mean) / std, float32, one number or
        one a channel; None if it does not say.

    Raises:
        UserError: If its metadata can't be read.
    """
    for kind, options in process_units(path, Subgraph.INPUTS):
        if kind == ProcessUnitType.NORMALIZATION:
            mean, std = (
                options.numbers(field)
                for field in (Normalization.MEAN, Normalization.STD)
            )
            if not (len(mean) == len(std) > 0 and std.all()):
                raise UserError(
                    f"{path} has damaged metadata: its images are normalised "
                    f"with a mean of {mean} and a deviation of {std}"
                )
            return mean, std
    return None


def process_units(path, side):
    """What is done with a file's `Subgraph.INPUTS` or `Subgraph.OUTPUTS`.

    Returns:
        A list of the kind and the options, a `Table`, of each step; empty if
        the file describes none.

    Raises:
        UserError: If its metadata can't be read.
    """
    from ai_edge_litert.schema_py_generated import Model as TFLiteModel

    try:
        file = TFLiteModel.GetRootAs(Path(path).read_bytes())
        entries = map(file.Metadata, range(file.MetadataLength()))
        described = [
            Table.root(file.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
            for entry in entries
            if entry.Name() == METADATA.encode()
        ]
        return [
            (unit.number(Union.TYPE, Uint8Flags), unit.table(Union.VALUE))
            for root in described
            for graph in root.tables(Model.SUBGRAPHS)
            for tensor in graph.tables(side)
            for unit in tensor.tables(Tensor.PROCESS_UNITS)
        ]
    # A damaged file has errors of many kinds.
    except Exception as error:
        raise UserError(f"{path} has damaged metadata: {error}") from None
