"""What an export proved: a table, `report.json` and `MODEL_CARD.md`."""

import dataclasses

from keras_convmixer.files import write_json, write_text
from keras_convmixer.tables import markdown_table


def table(keras_top1, results):
    """The results as a Markdown table, the Keras model first."""
    rows = [table_row("best.keras", top1=keras_top1)]
    for result in results:
        rows.append(
            table_row(
                result.file,
                bytes=result.bytes,
                top1=result.top1,
                agreement=result.agreement,
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
        "largest difference": number(max_abs_diff, ".1e"),
        "ms, 1 thread": number(single, ".2f"),
        "ms, all threads": number(all, ".2f"),
    }


def write_report(folder, keras_top1, results, num_images):
    """Writes `report.json`."""
    write_json(
        folder / "report.json",
        {
            "images": num_images,
            "keras": {"top1": keras_top1},
            "files": [dataclasses.asdict(result) for result in results],
        },
    )


def write_model_card(folder, name, recipe, data, proof, num_images):
    """Writes `MODEL_CARD.md`: what the files are and what was proved.

    Args:
        folder: Where to.
        name: The model's name.
        recipe: The `Recipe` it was trained with.
        data: The `ImageData` it was trained on.
        proof: The table of results.
        num_images: How many images the results are of.
    """
    size, classes = recipe.image_size, len(data.classes)
    write_text(
        folder / "MODEL_CARD.md",
        f"""# {name}

ConvMixer-{recipe.dim}/{recipe.depth} with kernel {recipe.kernel_size}, patch \
{recipe.patch_size} and {recipe.activation}.

- Input `image`: uint8 `[1, {size}, {size}, 3]`, RGB pixels from 0 to 255.
- Output `probabilities`: float32 `[1, {classes}]`, in the order of \
`labels.txt`.
- Trained on {data.num_train:,} images of {data.name}, {recipe.epochs} epochs; \
the epoch with the best held-out top-1 was kept.
- Held out: {data.held_out_split}.

Each file was run with LiteRT (the SavedModel with TensorFlow) on \
{num_images:,} held-out images and compared with the Keras model. Agreement is \
the share of images for which both name the same first class; the largest \
difference is that of a probability.

{proof}
""",
    )
