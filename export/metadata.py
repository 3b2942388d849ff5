"""TFLite metadata: what a file takes and gives, with its labels inside.

MediaPipe Tasks and Android's code generator read it. The tables are those of
TFLite's metadata schema (metadata_schema.fbs, identifier M001), written with
the flatbuffers package: the schema's own Python writer comes only with
MediaPipe, whose wheel is larger than all else that an export needs.
"""

import io
import zipfile

import flatbuffers
import numpy as np

from keras_convmixer import __version__
from keras_convmixer.utils.checks import UserError

from .flatbuffer import pack, unpack

LABELS = "labels.txt"
MAX_LABEL_BYTES = 2**24

# Positions of fields in their tables, and values of the enumerations.
NAME, DESCRIPTION = 0, 1
MODEL_VERSION, MODEL_SUBGRAPHS, MODEL_AUTHOR, MODEL_LICENSE = 2, 3, 4, 5
MODEL_MIN_PARSER_VERSION = 7
SUBGRAPH_INPUTS, SUBGRAPH_OUTPUTS = 2, 3
TENSOR_CONTENT, TENSOR_PROCESS_UNITS, TENSOR_STATS, TENSOR_FILES = 3, 4, 5, 6
FILE_TYPE, TENSOR_AXIS_LABELS = 2, np.int8(2)
UNION_TYPE, UNION_VALUE = 0, 1
IMAGE_PROPERTIES, FEATURE_PROPERTIES = np.uint8(2), np.uint8(1)
NORMALIZATION_OPTIONS = np.uint8(1)
MEAN, STD = 0, 1
MAX, MIN = 0, 1
COLOR_SPACE, RGB = 0, np.int8(1)


def add_metadata(contents, name, description, labels):
    """Adds the description of an image classifier to a TFLite file.

    Args:
        contents: The contents of the file.
        name, description: What people read.
        labels: Names of the classes, in the order of the output.

    Returns:
        The contents of the new file. A zip archive at its end holds the
        labels.
    """
    image = {
        NAME: "image",
        DESCRIPTION: "RGB image, pixels from 0 to 255.",
        TENSOR_CONTENT: {
            UNION_TYPE: IMAGE_PROPERTIES,
            UNION_VALUE: {COLOR_SPACE: RGB},
        },
        TENSOR_PROCESS_UNITS: [
            {
                UNION_TYPE: NORMALIZATION_OPTIONS,
                UNION_VALUE: {MEAN: np.float32([0]), STD: np.float32([1])},
            }
        ],
        TENSOR_STATS: {MAX: np.float32([255]), MIN: np.float32([0])},
    }
    probabilities = {
        NAME: "probabilities",
        DESCRIPTION: f"Probability of each line of {LABELS}.",
        TENSOR_CONTENT: {UNION_TYPE: FEATURE_PROPERTIES, UNION_VALUE: {}},
        TENSOR_STATS: {MAX: np.float32([1]), MIN: np.float32([0])},
        TENSOR_FILES: [
            {
                NAME: LABELS,
                DESCRIPTION: "Names of the classes.",
                FILE_TYPE: TENSOR_AXIS_LABELS,
            }
        ],
    }
    model = {
        NAME: name,
        DESCRIPTION: description,
        MODEL_VERSION: __version__,
        MODEL_SUBGRAPHS: [
            {SUBGRAPH_INPUTS: [image], SUBGRAPH_OUTPUTS: [probabilities]}
        ],
        MODEL_AUTHOR: "keras_convmixer",
        MODEL_LICENSE: "Apache-2.0",
        MODEL_MIN_PARSER_VERSION: "1.0.0",
    }
    builder = flatbuffers.Builder()
    builder.Finish(write(builder, model), b"M001")
    described = with_buffer(contents, "TFLITE_METADATA", builder.Output())

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr(LABELS, "".join(f"{label}\n" for label in labels))
    return described + archive.getvalue()


def read_labels(path):
    """The labels in a TFLite file.

    Raises:
        ValueError: If there are none.
    """
    try:
        with zipfile.ZipFile(path) as files:
            if files.getinfo(LABELS).file_size > MAX_LABEL_BYTES:
                raise UserError("it is too long")
            return files.read(LABELS).decode().splitlines()
    # Zip and its compressions each have their own for a bad file.
    except Exception as error:
        raise UserError(f"{path} holds no {LABELS}: {error}") from None


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


def with_buffer(contents, name, data):
    """A TFLite file with one more named buffer among its metadata."""
    from ai_edge_litert import schema_py_generated as schema

    model = unpack(contents)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    entry = schema.MetadataT()
    entry.name = name
    entry.buffer = len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return pack(model)
