"""All files of a run, verified, with a report and a model card."""

import functools
import shutil

from keras_convmixer.data.image_data import sample
from keras_convmixer.runs.run_folder import RunFolder
from keras_convmixer.utils.backend import check_tensorflow
from keras_convmixer.utils.files import exclusive, move, temporary_folder

from . import QAT_EPOCHS, REPRESENTATIVE_IMAGES, VERIFICATION_IMAGES
from .formats import DEFAULT_FORMATS, TABLE
from .reference import Reference
from .report import Report
from .verified import write_verified
from .verify import check_agreement, check_min_agreement
from .writers import TrainedModel


def export_run(
    run,
    formats=DEFAULT_FORMATS,
    min_agreement=0.98,
    max_images=VERIFICATION_IMAGES,
    epochs=QAT_EPOCHS,
    io="uint8",
    precision=None,
    **places,
):
    """Writes a run's `export` folder if all files agree with the Keras model.

    Files of earlier exports that aren't written again are kept. Whenever the
    process is killed, the files that `report.json` lists are complete and are
    those that were verified; a file that it does not list is unfinished.

    Args:
        run: The folder of a training: a path or a `RunFolder`.
        formats, io: As for `export_model`.
        min_agreement: As for `export_tflite`.
        max_images: Images to compare them on at most; where there are more
            of the test part, or the held-out ones if there is none, as many
            of each class as of another are chosen, always the same ones.
        epochs: How long "int8_qat" is fine-tuned.
        precision: Of the answers of each TFLite file, whose metadata gets the
            threshold that this needs; None for no threshold.
        places: Where the images are now, if they were moved, as for
            `RunFolder.data`.

    Returns:
        The `Result`s of the files that were written.

    Raises:
        AgreementError: If a file falls short; nothing is written.
        UserError: If another process uses the folder, or it is not that of a
            training.
    """
    check_tensorflow("export_run")
    check_min_agreement(min_agreement)
    run = RunFolder(run)
    run.read_config()
    with exclusive(run.path), temporary_folder(run.path) as folder:
        model, recipe, data = run.read(**places)
        chosen = data.verification_pictures.class_balanced(max_images)
        images = data.squares(chosen)
        parts = [images]
        if data.test is not None:
            held_out = data.held_out_pictures.class_balanced(max_images)
            parts = [data.squares(held_out), images]
        trained = TrainedModel(
            model,
            data.classes,
            f"ConvMixer-{recipe.dim}/{recipe.depth}, trained on {data.name}",
            functools.cache(lambda: sample(data.train, REPRESENTATIVE_IMAGES)),
            io=io,
            data=data,
            batch_size=recipe.batch_size,
            epochs=epochs,
        )
        batches = images.batch(recipe.batch_size)
        reference = Reference.of_batches(model, batches.as_numpy_iterator)
        new = []
        for format in formats:
            print(format, flush=True)
            path = folder / TABLE[format].file_name(run.name, io)
            new.append(
                write_verified(
                    path, format, trained, reference, precision, parts
                )
            )
        report = Report(run, data, reference, new)
        if not any(result.falls_short(min_agreement) for result in new):
            report.add_earlier()
        report.print()
        check_agreement(new, min_agreement)
        hand_over(folder, report)
    for result in new:
        result.path = run.export_folder / result.path.name
    return new


def hand_over(folder, report):
    """Moves files from a folder to the run's `export`, and the report."""
    run = report.run
    report.write_model_card(folder)
    shutil.copy(run.labels_path, folder)
    run.export_folder.mkdir(exist_ok=True)
    # First without the files that are replaced, last with all of them.
    report.write([r for r in report.results if r.path.parent != folder])
    for path in folder.iterdir():
        move(path, run.export_folder / path.name)
    report.write(report.results)
    report.print_unlisted()
