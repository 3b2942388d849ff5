"""What a TFLite file says of itself, read back."""

import zipfile
from pathlib import Path

from keras_convmixer.evaluation.metadata_schema import (
    LABELS,
    METADATA,
    Model,
    Normalization,
    ProcessUnitType,
    Subgraph,
    Table,
    Tensor,
    Thresholding,
    Union,
)
from keras_convmixer.utils.checks import UserError

MAX_LABEL_BYTES = 2**24


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
            return options.number(field, "Float32")
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
    """What is done with a file's inputs or outputs.

    Args:
        path: The file.
        side: `Subgraph.INPUTS` or `Subgraph.OUTPUTS`.

    Returns:
        A list of the kind and the options, a `Table`, of each step; empty if
        the file describes none.

    Raises:
        UserError: If its metadata can't be read.
    """
    from ai_edge_litert.schema_py_generated import Model as TFLiteModel

    try:
        file = TFLiteModel.GetRootAs(Path(path).read_bytes())
        entries = [file.Metadata(i) for i in range(file.MetadataLength())]
        return [
            (unit.number(Union.TYPE, "Uint8"), unit.table(Union.VALUE))
            for entry in entries
            if entry.Name() == METADATA.encode()
            for graph in described(file, entry).tables(Model.SUBGRAPHS)
            for tensor in graph.tables(side)
            for unit in tensor.tables(Tensor.PROCESS_UNITS)
        ]
    # A damaged file has errors of many kinds.
    except Exception as error:
        raise UserError(f"{path} has damaged metadata: {error}") from None


def described(file, entry):
    """The `Table` that an entry of a file's metadata holds."""
    return Table.root(file.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
