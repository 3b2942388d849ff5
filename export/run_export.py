"""All files of a run, verified, with a report and a model card."""

import shutil

from keras_convmixer.data.image_data import sample
from keras_convmixer.runs.run_folder import RunFolder
from keras_convmixer.utils.backend import check_tensorflow
from keras_convmixer.utils.files import exclusive, move, temporary_folder

from . import QAT_EPOCHS, REPRESENTATIVE_IMAGES, VERIFICATION_IMAGES
from .formats import DEFAULT_FORMATS, TABLE
from .reference import Reference
from .report import (
    images_in_words,
    table,
    with_earlier,
    write_model_card,
    write_report,
)
from .verified import write_verified
from .verify import check_agreement, check_min_agreement
from .writers import FineTuning, TrainedModel


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
        formats: Some of `export.FORMATS`.
        min_agreement: As for `export_tflite`.
        max_images: Images to compare them on at most; where there are more
            of the test part, or the held-out ones if there is none, as many
            of each class as of another are chosen, always the same ones.
        epochs: How long "int8_qat" is fine-tuned.
        io: As for `export.tflite.convert`.
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
    with exclusive(run.path):
        return export_files(
            run,
            formats=formats,
            min_agreement=min_agreement,
            max_images=max_images,
            epochs=epochs,
            io=io,
            precision=precision,
            places=places,
        )


def export_files(
    run, formats, min_agreement, max_images, epochs, io, precision, places
):
    """Does what `export_run` says, in a folder that is locked."""
    model, recipe, data = run.read(**places)
    trained = TrainedModel(
        model,
        data.classes,
        f"ConvMixer-{recipe.dim}/{recipe.depth}, trained on {data.name}",
        lambda: sample(data.train, REPRESENTATIVE_IMAGES),
        io=io,
        fine_tuning=FineTuning(data, recipe.batch_size, epochs),
    )
    images = verification_images(data, max_images).batch(recipe.batch_size)
    reference = Reference.of_dataset(model, images)
    keras_top1 = reference.top1(reference.outputs)
    parts = [verification_images(data, max_images)]
    if data.test is not None:
        parts.insert(
            0, class_balanced(data, data.held_out_pictures, max_images)
        )

    with temporary_folder(run.path) as folder:
        new = []
        for format in formats:
            print(format, flush=True)
            path = folder / TABLE[format].file_name(run.name, io)
            new.append(
                write_verified(
                    path, format, trained, reference, precision, parts
                )
            )
        results = new
        if not any(result.falls_short(min_agreement) for result in new):
            results = with_earlier(new, run.export_folder, len(reference))
        proof = table(keras_top1, results)
        print(f"{images_in_words(data, len(reference))}\n{proof}")
        for result in results:
            if result.threshold is not None:
                print(f"{result.path.name}: {result.threshold}")
        check_agreement(new, min_agreement)

        write_model_card(
            folder,
            run=run,
            data=data,
            results=results,
            proof=proof,
            num_images=len(reference),
        )
        shutil.copy(run.labels_path, folder)
        run.export_folder.mkdir(exist_ok=True)

        def report(results):
            write_report(
                run.export_folder, keras_top1, results, data, len(reference)
            )

        # First without the files that are replaced, last with all of them.
        report([result for result in results if result.path.parent != folder])
        for path in folder.iterdir():
            move(path, run.export_folder / path.name)
        report(results)
    name_unlisted(run.export_folder, results)
    for result in new:
        result.path = run.export_folder / result.path.name
    return new


def verification_images(data, most):
    """The images to compare files on, decoded as they are asked for."""
    return class_balanced(data, data.verification_pictures, most)


def class_balanced(data, pictures, most):
    """At most so many of some pictures, as many of each class as of another."""
    return data.squares(pictures.class_balanced(most))


def name_unlisted(folder, results):
    """Prints which files of earlier exports the report does not list."""
    listed = {result.path.name for result in results}
    unlisted = sorted(
        path.name
        for path in folder.iterdir()
        if (path.suffix in (".tflite", ".onnx") or path.name == "saved_model")
        and path.name not in listed
    )
    if unlisted:
        print(f"not in the report, export them again: {', '.join(unlisted)}")
