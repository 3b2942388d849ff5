"""What an export proved: a table, `report.json` and `MODEL_CARD.md`."""

import dataclasses
import json
from dataclasses import dataclass

from keras_convmixer.data.image_data import ImageData
from keras_convmixer.evaluation.calibration_report import format_calibration
from keras_convmixer.evaluation.threshold import Threshold
from keras_convmixer.runs.run_folder import RunFolder
from keras_convmixer.utils.files import write_json, write_text
from keras_convmixer.utils.tables import markdown_table

from .formats import FORMATS, IO, TABLE
from .reference import Reference
from .runtimes import runtime_table
from .verify import Result, interval

REPORT = "report.json"
COLUMNS = (
    *("file", "KB", "top-1 %", "agreement %", "95 % interval"),
    *("largest difference", "ms, 1 thread", "ms, all threads"),
)


@dataclass
class Report:
    """The files of a run, and what they were compared with."""

    run: RunFolder
    data: ImageData
    reference: Reference
    results: list[Result]

    def add_earlier(self):
        """Adds the files of earlier exports that are still there.

        Those that were compared on another number of images are left out. The
        results are then in the order of the formats.
        """
        folder, images = self.run.export_folder, len(self.reference)
        path = folder / REPORT
        report = json.loads(path.read_text()) if path.is_file() else {}
        rows = report["files"] if report.get("images") == images else []
        earlier = [from_row(row, folder, images) for row in rows]
        by_file = {
            result.path.name: result
            for result in [*earlier, *self.results]
            if result.path.exists()
        }
        self.results = sorted(
            by_file.values(),
            key=lambda result: (
                IO.index(result.io),
                FORMATS.index(result.format),
            ),
        )

    def print(self):
        """Prints the images, the table and the thresholds."""
        print(f"{self.images_in_words()}\n{self.table()}")
        for result in self.results:
            if result.threshold is not None:
                print(f"{result.path.name}: {result.threshold}")

    def print_unlisted(self):
        """Prints which files of earlier exports are not in the report."""
        listed = {result.path.name for result in self.results}
        unlisted = sorted(
            path.name
            for path in self.run.export_folder.iterdir()
            if path.suffix in (".tflite", ".onnx") or path.name == "saved_model"
            if path.name not in listed
        )
        if unlisted:
            print(
                f"not in the report, export them again: {', '.join(unlisted)}"
            )

    def keras_top1(self):
        return self.reference.top1(self.reference.outputs)

    def images_in_words(self):
        """Which images were used, "200 of 360 held-out images"."""
        images = len(self.reference)
        every = len(self.data.verification_pictures)
        words = f"{self.data.verification_part} images"
        if images == every:
            return f"{every:,} {words}"
        return f"{images:,} of {every:,} {words}, evenly by class"

    def table(self):
        """The results as a Markdown table, the Keras model first."""
        keras = dict.fromkeys(COLUMNS)
        keras["file"] = "model.keras"
        keras["top-1 %"] = percent(self.keras_top1())
        return markdown_table([keras, *map(table_row, self.results)])

    def write(self, results):
        """Writes `report.json` of some of the results."""
        write_json(
            self.run.export_folder / REPORT,
            {
                "images": len(self.reference),
                "of": len(self.data.verification_pictures),
                "part": self.data.verification_part,
                "keras": {"top1": self.keras_top1()},
                "files": [as_row(result) for result in results],
            },
        )

    def write_model_card(self, folder):
        """Writes `MODEL_CARD.md`: what the files are and what was proved."""
        run, recipe = self.run, self.run.read_config().plan.recipe
        facts = "\n".join(f"- {fact}." for fact in self.facts())
        write_text(
            folder / "MODEL_CARD.md",
            f"""# {run.name}

ConvMixer-{recipe.dim}/{recipe.depth} with kernel {recipe.kernel_size}, patch \
{recipe.patch_size} and {recipe.activation}.

{facts}

Each file was run with LiteRT (the SavedModel with TensorFlow, an ONNX file \
with ONNX Runtime) on \
{self.images_in_words()} and compared with the Keras model. \
Agreement is the share of images for which both name the same first class, \
with the interval that a sample of this size allows; the largest difference is \
that of a probability.

{self.table()}

The first releases that run each file; TensorFlow stands for `tflite-runtime` \
and `org.tensorflow:tensorflow-lite` as well:

{runtime_table([result.path for result in self.results])}
""",
        )

    def facts(self):
        """Sentences of the model card, without their full stops."""
        plan, data = self.run.read_config().plan, self.data
        size = plan.recipe.image_size
        yield (
            f"Input `image`: uint8 `[1, {size}, {size}, 3]`, RGB pixels from "
            "0 to 255"
        )
        yield (
            f"Output `probabilities`: float32 `[1, {len(data.classes)}]`, in "
            "the order of `labels.txt`"
        )
        yield (
            f"Trained on {data.num_train:,} images of {data.name}, "
            f"{plan.recipe.epochs} epochs"
        )
        yield (
            f"Held out: {data.held_out_split}, also used to choose "
            f"{plan.held_out_used_for}"
        )
        if data.test_split:
            yield f"Test: {data.test_split}, evaluated once"
        if calibration := self.run.metrics().get("calibration"):
            yield f"Calibrated: {format_calibration(calibration)}"
        for result in self.results:
            for note in notes(result):
                yield f"{result.path.name}{note}"


def notes(result):
    """What the model card says of one file, to follow its name."""
    if result.aware_agreement is not None:
        yield (
            ": fine-tuned with fake quantisation, epochs: "
            f"{result.qat_epochs}; the one closest to the Keras model was "
            "kept. It and its file name the same first class on "
            f"{100 * result.aware_agreement:.1f} % of the images"
        )
    if note := TABLE[result.format].note:
        yield f": {note}"
    if result.io == "int8":
        yield (
            ": `image` is int8, pixel - 128, and `probabilities` int8 with a "
            "scale and a zero point"
        )
    if result.threshold is not None:
        yield (
            f", for a precision of {result.threshold.wanted:.3g}: "
            f"{result.threshold}"
        )


def table_row(result):
    ends = result.agreement_interval
    cells = (
        result.path.name,
        f"{result.bytes / 1000:,.0f}",
        percent(result.top1),
        percent(result.agreement),
        ends and " to ".join(map(percent, ends)),
        f"{result.max_abs_diff:.1e}",
        milliseconds(result.latency_ms["1"]),
        milliseconds(result.latency_ms["all"]),
    )
    return dict(zip(COLUMNS, cells, strict=True))


def percent(share):
    return None if share is None else f"{100 * share:.2f}"


def milliseconds(time):
    return None if time is None else f"{time:.2f}"


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
