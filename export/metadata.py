"""TFLite metadata: what a file takes and gives, with its labels inside.

MediaPipe Tasks and Android's code generator read it.
"""

import io
import zipfile

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools.flatbuffer_utils import type_to_name

from keras_convmixer import __version__
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
from keras_convmixer.utils.text import is_one_line

from .flatbuffer import add_buffer, pack, unpack

# By the number of channels; others are an "Image" of an unknown space.
COLORS = {
    1: (ColorSpace.GRAYSCALE, "Grey image"),
    3: (ColorSpace.RGB, "RGB image"),
}
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
    (signature,) = model.signatureDefs
    (image,), (output,) = signature.inputs, signature.outputs
    tensors = model.subgraphs[0].tensors
    output_name = output.name.decode()
    labels = check_labels(
        labels, tensors[output.tensorIndex].shape[-1], output_name
    )
    described = {
        Model.NAME: name,
        Model.DESCRIPTION: description,
        Model.VERSION: __version__,
        Model.SUBGRAPHS: [
            {
                Subgraph.INPUTS: [
                    describe_image(tensors[image.tensorIndex], normalization)
                ],
                Subgraph.OUTPUTS: [
                    describe_output(output_name, labels, threshold)
                ],
            }
        ],
        Model.AUTHOR: "keras_convmixer",
        Model.LICENSE: "Apache-2.0",
        Model.MIN_PARSER_VERSION: "1.0.0",
    }
    builder = flatbuffers.Builder()
    builder.Finish(write(builder, described), b"M001")
    set_metadata(model, METADATA, np.frombuffer(builder.Output(), np.uint8))
    contents = pack(model)
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
    """One label for each output, as `add_metadata` takes them.

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
    """The table of the input."""
    space, words = COLORS.get(
        int(tensor.shape[-1]), (ColorSpace.UNKNOWN, "Image")
    )
    table = {
        Tensor.NAME: "image",
        Tensor.CONTENT: {
            Union.TYPE: np.uint8(ContentType.IMAGE),
            Union.VALUE: {Image.COLOR_SPACE: np.int8(space)},
        },
    }
    if normalization is None:
        return table | {
            Tensor.DESCRIPTION: f"{words}, normalised as in training."
        }
    mean, std = np.float32(normalization)
    offset, less = 0, ""
    if type_to_name(tensor.type) == "INT8":  # What is stored is 128 less.
        offset, less = -128, " minus 128"
    lowest, highest = (np.float32([0, 255]) - mean) / std + offset
    scaled = less if std == 1 else f", scaled to {lowest:g} to {highest:g}"
    return table | {
        Tensor.DESCRIPTION: f"{words}, pixels from 0 to 255{scaled}.",
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


def describe_output(name, labels, threshold):
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
    if labels:
        score = SCORES.get(name, "Score")
        table[Tensor.DESCRIPTION] = f"{score} of each line of {LABELS}."
        table[Tensor.FILES] = [
            {
                File.NAME: LABELS,
                File.DESCRIPTION: "Names of the classes.",
                File.TYPE: np.int8(FileType.TENSOR_AXIS_LABELS),
            }
        ]
    if threshold is not None:
        table[Tensor.PROCESS_UNITS] = [
            {
                Union.TYPE: np.uint8(ProcessUnitType.SCORE_THRESHOLDING),
                Union.VALUE: {
                    Thresholding.GLOBAL_SCORE_THRESHOLD: np.float32(threshold)
                },
            }
        ]
    return table


def set_metadata(model, name, data):
    """Puts a buffer under a name into the metadata of a `ModelT`."""
    for entry in model.metadata:
        if entry.name == name.encode():
            model.buffers[entry.buffer].data = data
            return
    entry = schema.MetadataT(name, add_buffer(model, data))
    model.metadata.append(entry)
