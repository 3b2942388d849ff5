"""All that is known of each format: a new one is a row and a writer."""

from dataclasses import dataclass

TFLITE = ".tflite"
IO = ("uint8", "int8")


@dataclass(frozen=True)
class Format:
    """A format that a run is exported in.

    Attributes:
        name: What it is called.
        arrangement: The inference model that it is made of, as for
            `reparameterize`.
        writer: The function of `writers` that writes it, from `(path, format,
            training)`; it may return a model to compare the file with besides.
        suffix: How its files end; "" for a folder.
        is_integer: Whether it has activation ranges, which representative
            images set.
        is_half: Whether its weights are float16.
        takes_float: Whether its pixels are float32, as GPU delegates need.
        takes_int8: Whether it may have integers as input and output.
        is_fine_tuned: Whether it is trained further before it is written.
        extra: The extra of pip that it needs.
        left_out: Why it is only written on request.
        note: A line of the model card.
    """

    name: str
    arrangement: str
    writer: str = "write_converted"
    suffix: str = TFLITE
    is_integer: bool = False
    is_half: bool = False
    takes_float: bool = False
    takes_int8: bool = False
    is_fine_tuned: bool = False
    extra: str | None = None
    left_out: str | None = None
    note: str | None = None

    def file_name(self, run, io="uint8"):
        """What its file is called in the export of a run of that name."""
        if not self.suffix:
            return self.name
        if self.suffix != TFLITE:
            return f"{run}{self.suffix}"
        return f"{run}_{self.name}{'_io_int8' * (io == 'int8')}{TFLITE}"


TABLE = {
    row.name: row
    for row in (
        Format(
            "saved_model",
            "converters",
            writer="write_servable",
            suffix="",
        ),
        Format("float32", "cpu"),
        Format("float16", "cpu", is_half=True),
        Format("dynamic", "cpu_dynamic"),
        Format("int8", "integers", is_integer=True, takes_int8=True),
        Format(
            "int8_fast",
            "integers_tiled",
            is_integer=True,
            left_out="larger files",
        ),
        Format(
            "gpu",
            "gpu",
            is_half=True,
            takes_float=True,
            note="for GPU delegates; `image` is float32, of the same pixels "
            "from 0 to 255",
        ),
        Format(
            "int8_qat",
            "integers",
            writer="write_fine_tuned",
            takes_int8=True,
            is_fine_tuned=True,
            left_out="needs fine-tuning",
        ),
        Format(
            "onnx",
            "whole",
            writer="write_onnx",
            suffix=".onnx",
            extra="onnx",
            left_out="needs the onnx extra",
        ),
    )
}
FORMATS = tuple(TABLE)
DEFAULT_FORMATS = tuple(n for n, row in TABLE.items() if not row.left_out)
# Those that `convert` makes of a model alone.
TFLITE_FORMATS = tuple(
    name
    for name, row in TABLE.items()
    if row.suffix == TFLITE and not row.is_fine_tuned
)
