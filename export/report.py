"""What an export proved: a table, `report.json` and `MODEL_CARD.md`."""

import dataclasses
import json

from keras_convmixer.evaluation.calibration_report import format_calibration
from keras_convmixer.evaluation.threshold import Threshold
from keras_convmixer.utils.files import write_json, write_text
from keras_convmixer.utils.tables import markdown_table

from .formats import FORMATS, IO, TABLE
from .runtimes import runtime_table
from .verify import Result, interval

REPORT = "report.json"


def table(keras_top1, results):
    """The results as a Markdown table, the Keras model first."""
    rows = [table_row("model.keras", top1=keras_top1)]
    for result in results:
        rows.append(
            table_row(
                result.path.name,
                bytes=result.bytes,
                top1=result.top1,
                agreement=result.agreement,
                interval=result.agreement_interval,
                max_abs_diff=result.max_abs_diff,
                single=result.latency_ms["1"],
                all=result.latency_ms["all"],
            )
        )
    return markdown_table(rows)


def table_row(
    file,
    top1,
    bytes=None,
    agreement=None,
    interval=None,
    max_abs_diff=None,
    single=None,
    all=None,
):
    def number(value, format, unit=1):
        return None if value is None else f"{value / unit:{format}}"

    return {
        "file": file,
        "KB": number(bytes, ",.0f", 1000),
        "top-1 %": number(top1, ".2f", 0.01),
        "agreement %": number(agreement, ".2f", 0.01),
        "95 % interval": interval
        and " to ".join(number(end, ".2f", 0.01) for end in interval),
        "largest difference": number(max_abs_diff, ".1e"),
        "ms, 1 thread": number(single, ".2f"),
        "ms, all threads": number(all, ".2f"),
    }


def images_in_words(data, num_images):
    """Which images files were compared on, "200 of 360 held-out images"."""
    every, words = (
        len(data.verification_pictures),
        f"{data.verification_part} images",
    )
    if num_images == every:
        return f"{every:,} {words}"
    return f"{num_images:,} of {every:,} {words}, evenly by class"


def write_report(folder, keras_top1, results, data, num_images):
    """Writes `report.json`."""
    write_json(
        folder / REPORT,
        {
            "images": num_images,
            "of": len(data.verification_pictures),
            "part": data.verification_part,
            "keras": {"top1": keras_top1},
            "files": [as_row(result) for result in results],
        },
    )


def as_row(result):
    """A `Result` as the report holds it, with the file's name for its path."""
    row = dataclasses.asdict(dataclasses.replace(result, answers=None))
    del row["answers"]
    return {"file": row.pop("path").name, **row}


def from_row(row, folder, num_images):
    """The `Result` of a row of the report that is in a folder.

    Reports of 0.1.0 have no intervals.
    """
    row = {
        "images": num_images,
        "agreement_interval": interval(row["agreement"], num_images),
        "r_squared": None,
        **row,
    }
    if row.get("threshold"):
        row["threshold"] = Threshold(**row["threshold"])
    return Result(path=folder / row.pop("file"), **row)


def with_earlier(results, folder, num_images):
    """Results, and those of earlier exports whose files are still there.

    Args:
        results: The new `Result`s.
        folder: Where the earlier files are, with their report, if any.
        num_images: How many images the results are of; earlier ones that are
            of another number are left out.

    Returns:
        A list of `Result`, in the order of the formats.
    """
    path = folder / REPORT
    report = json.loads(path.read_text()) if path.is_file() else {}
    rows = report["files"] if report.get("images") == num_images else []
    earlier = [from_row(row, folder, num_images) for row in rows]
    earlier = [result for result in earlier if result.path.exists()]
    by_file = {result.path.name: result for result in [*earlier, *results]}
    return sorted(
        by_file.values(),
        key=lambda result: (IO.index(result.io), FORMATS.index(result.format)),
    )


def write_model_card(folder, run, data, results, proof, num_images):
    """Writes `MODEL_CARD.md`: what the files are and what was proved.

    Args:
        folder: Where to.
        run: The `RunFolder` of the training.
        data: Its `ImageData`.
        results: The `Result`s.
        proof: Their table.
        num_images: How many images they are of.
    """
    plan, calibration = run.read_config().plan, run.metrics().get("calibration")
    recipe = plan.recipe
    size, classes = recipe.image_size, len(data.classes)
    lines = [
        f"- Input `image`: uint8 `[1, {size}, {size}, 3]`, RGB pixels from 0 "
        "to 255.",
        f"- Output `probabilities`: float32 `[1, {classes}]`, in the order of "
        "`labels.txt`.",
        f"- Trained on {data.num_train:,} images of {data.name}, "
        f"{recipe.epochs} epochs.",
        f"- Held out: {data.held_out_split}, also used to choose "
        f"{plan.held_out_used_for}.",
    ]
    if data.test_split:
        lines.append(f"- Test: {data.test_split}, evaluated once.")
    if calibration:
        lines.append(f"- Calibrated: {format_calibration(calibration)}.")
    for result in results:
        if result.aware_agreement is not None:
            lines.append(
                f"- {result.path.name}: fine-tuned with fake quantisation, "
                f"epochs: {result.qat_epochs}; the one closest to the Keras "
                "model was kept. It and its file name the same first class on "
                f"{100 * result.aware_agreement:.1f} % of the images."
            )
        if note := TABLE[result.format].note:
            lines.append(f"- {result.path.name}: {note}.")
        if result.io == "int8":
            lines.append(
                f"- {result.path.name}: `image` is int8, pixel - 128, and "
                "`probabilities` int8 with a scale and a zero point."
            )
        if result.threshold is not None:
            lines.append(
                f"- {result.path.name}, for a precision of "
                f"{result.threshold.wanted:.3g}: {result.threshold}."
            )
    facts = "\n".join(lines)
    write_text(
        folder / "MODEL_CARD.md",
        f"""# {run.name}

ConvMixer-{recipe.dim}/{recipe.depth} with kernel {recipe.kernel_size}, patch \
{recipe.patch_size} and {recipe.activation}.

{facts}

Each file was run with LiteRT (the SavedModel with TensorFlow, an ONNX file \
with ONNX Runtime) on \
{images_in_words(data, num_images)} and compared with the Keras model. \
Agreement is the share of images for which both name the same first class, \
with the interval that a sample of this size allows; the largest difference is \
that of a probability.

{proof}

The first releases that run each file; TensorFlow stands for `tflite-runtime` \
and `org.tensorflow:tensorflow-lite` as well:

{runtime_table([result.path for result in results])}
""",
    )
