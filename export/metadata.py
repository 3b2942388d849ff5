"""TFLite metadata: what a file takes and gives, with its labels inside.

MediaPipe Tasks and Android's code generator read it.
"""

import io
import zipfile

import flatbuffers
import numpy as np

from keras_convmixer import __version__
from keras_convmixer.data.class_names import is_one_line
from keras_convmixer.evaluation.metadata_schema import (
    LABELS,
    METADATA,
    ColorSpace,
    ContentType,
    File,
    FileType,
    Image,
    Model,
    Normalization,
    ProcessUnitType,
    Stats,
    Subgraph,
    Tensor,
    Thresholding,
    Union,
    write,
)
from keras_convmixer.utils.checks import UserError

from .flatbuffer import pack, unpack

COLOR_SPACES = {1: ColorSpace.GRAYSCALE, 3: ColorSpace.RGB}
COLORS = {
    ColorSpace.UNKNOWN: "Image",
    ColorSpace.RGB: "RGB image",
    ColorSpace.GRAYSCALE: "Grey image",
}
INT8 = 9  # Of the schema's types of tensors.
SCORES = {"probabilities": "Probability", "logits": "Logit"}


def add_metadata(
    contents,
    name,
    description,
    labels,
    threshold=None,
    normalization=(0, 1),
):
    """Adds the description of an image classifier to a TFLite file.

    One that the file has already is replaced.

    Args:
        contents: The contents of a file that `export.tflite.convert` gave.
        name, description: What people read.
        labels: Names of the classes, in the order of the output; None for
            "0", "1" and so on. A file that gives features has none.
        threshold: The score below which MediaPipe Tasks gives no category;
            None to give all.
        normalization: `(mean, std)`: its images are (pixel - mean) / std, of
            pixels from 0 to 255, which MediaPipe Tasks then computes; None
            where that is unknown, and MediaPipe refuses the file.

    Returns:
        The contents of the new file. A zip archive at its end holds the
        labels.

    Raises:
        UserError: If there is not one label of one line for each output.
    """
    model = unpack(contents)
    (image,), (output,) = (
        [(tensor.name.decode(), tensor.tensorIndex) for tensor in tensors]
        for tensors in (
            model.signatureDefs[0].inputs,
            model.signatureDefs[0].outputs,
        )
    )
    tensors = model.subgraphs[0].tensors
    output_name, output_tensor = output[0], tensors[output[1]]
    labels = check_labels(labels, output_tensor.shape[-1], output_name)
    output_table = describe_output(output_name, labels)
    if threshold is not None:
        output_table[Tensor.PROCESS_UNITS] = [describe_threshold(threshold)]
    described = {
        Model.NAME: name,
        Model.DESCRIPTION: description,
        Model.VERSION: __version__,
        Model.SUBGRAPHS: [
            {
                Subgraph.INPUTS: [
                    describe_image(tensors[image[1]], normalization)
                ],
                Subgraph.OUTPUTS: [output_table],
            }
        ],
        Model.AUTHOR: "keras_convmixer",
        Model.LICENSE: "Apache-2.0",
        Model.MIN_PARSER_VERSION: "1.0.0",
    }
    builder = flatbuffers.Builder()
    builder.Finish(write(builder, described), b"M001")
    contents = with_buffer(model, METADATA, builder.Output())
    return with_label_file(contents, labels) if labels else contents


def with_label_file(contents, labels):
    """The contents of a file with an archive at its end that has the labels.

    The archive's offsets count from the start of the whole file, as Android's
    `MetadataExtractor` expects, and it has no date: the same model gives the
    same bytes.
    """
    file = io.BytesIO(contents)
    with zipfile.ZipFile(file, "a") as archive:
        entry = zipfile.ZipInfo(LABELS)  # Of 1980, where archives' time begins.
        archive.writestr(entry, "".join(f"{label}\n" for label in labels))
    return file.getvalue()


def check_labels(labels, outputs, output_name):
    """One label for each output.

    Args:
        labels: Names of the classes, or None for their numbers.
        outputs: Their number.
        output_name: "probabilities", "logits" or "features".

    Returns:
        A list of `str`; empty for features.

    Raises:
        UserError: If they are of another number, or one is not a line.
    """
    if output_name == "features":
        if labels:
            raise UserError(
                "labels must be None for a model that gives features. "
                f"Received: {labels!r}"
            )
        return []
    if labels is None:
        return [str(index) for index in range(outputs)]
    if isinstance(labels, str) or len(labels) != outputs:
        hint = (
            " One output is the probability of class 1: give its name alone."
            if outputs == 1
            else ""
        )
        raise UserError(
            f"labels must be {outputs:,} names, one for each output. Received: "
            f"{labels if isinstance(labels, str) else len(labels)!r}.{hint}"
        )
    for label in labels:
        is_text = isinstance(label, str) and label
        # Of control characters, all clients keep a tab as it is.
        if not is_text or not is_one_line(label.replace("\t", "")):
            raise UserError(
                f"labels must be names of one line each. Received: {label!r}"
            )
    return list(labels)


def describe_image(tensor, normalization):
    """The table of the input; `normalization` as for `add_metadata`."""
    colors = COLOR_SPACES.get(int(tensor.shape[-1]), ColorSpace.UNKNOWN)
    table = {
        Tensor.NAME: "image",
        Tensor.CONTENT: {
            Union.TYPE: np.uint8(ContentType.IMAGE),
            Union.VALUE: {Image.COLOR_SPACE: np.int8(colors)},
        },
    }
    if normalization is None:
        return table | {
            Tensor.DESCRIPTION: f"{COLORS[colors]}, normalised as in training."
        }
    mean, std = np.float32(normalization)
    # Of int8 the value that is stored for a pixel is 128 less.
    offset, less = (-128, " minus 128") if tensor.type == INT8 else (0, "")
    lowest, highest = (np.float32([0, 255]) - mean) / std + offset
    scaled = less if std == 1 else f", scaled to {lowest:g} to {highest:g}"
    return table | {
        Tensor.DESCRIPTION: (
            f"{COLORS[colors]}, pixels from 0 to 255{scaled}."
        ),
        Tensor.PROCESS_UNITS: [
            {
                Union.TYPE: np.uint8(ProcessUnitType.NORMALIZATION),
                Union.VALUE: {
                    Normalization.MEAN: np.float32([mean]),
                    Normalization.STD: np.float32([std]),
                },
            }
        ],
        Tensor.STATS: {
            Stats.MAX: np.float32([highest]),
            Stats.MIN: np.float32([lowest]),
        },
    }


def describe_output(name, labels):
    """The table of the output."""
    table = {
        Tensor.NAME: name,
        Tensor.CONTENT: {
            Union.TYPE: np.uint8(ContentType.FEATURE),
            Union.VALUE: {},
        },
    }
    if name == "probabilities":
        table[Tensor.STATS] = {
            Stats.MAX: np.float32([1]),
            Stats.MIN: np.float32([0]),
        }
    if not labels:
        return table
    score = SCORES.get(name, "Score")
    return table | {
        Tensor.DESCRIPTION: f"{score} of each line of {LABELS}.",
        Tensor.FILES: [
            {
                File.NAME: LABELS,
                File.DESCRIPTION: "Names of the classes.",
                File.TYPE: np.int8(FileType.TENSOR_AXIS_LABELS),
            }
        ],
    }


def describe_threshold(threshold):
    """The table of a step after the output."""
    return {
        Union.TYPE: np.uint8(ProcessUnitType.SCORE_THRESHOLDING),
        Union.VALUE: {
            Thresholding.GLOBAL_SCORE_THRESHOLD: np.float32(threshold)
        },
    }


def with_buffer(model, name, data):
    """The contents of a `ModelT` with a buffer of that name in its metadata."""
    from ai_edge_litert import schema_py_generated as schema

    entries = list(model.metadata or [])
    named = [entry for entry in entries if entry.name == name.encode()]
    if not named:
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, len(model.buffers)
        model.buffers.append(schema.BufferT())
        entries.append(entry)
        named = [entry]
    model.buffers[named[0].buffer].data = np.frombuffer(data, np.uint8)
    model.metadata = entries
    return pack(model)
