"""`train`: from images to a run folder, with the options of `train.py`."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from keras_convmixer.data.source import Source
from keras_convmixer.runs.plan import Plan
from keras_convmixer.runs.recipe import Recipe
from keras_convmixer.runs.run_folder import RunFolder, check_empty
from keras_convmixer.training.recipes import recipe_for
from keras_convmixer.utils.backend import check_training_backend
from keras_convmixer.utils.checks import UserError, did_you_mean
from keras_convmixer.utils.cluster import worker_addresses
from keras_convmixer.utils.types import StrPath
from keras_convmixer.variants import parse_variant
from keras_convmixer.weights import find_file


def train(
    run: StrPath | None = None,
    *,
    dataset: str | None = None,
    image_folder: StrPath | None = None,
    model: str | None = None,
    recipe: str | Recipe | None = None,
    weights: StrPath | None = None,
    **options: Any,
) -> RunFolder:
    """Trains a ConvMixer and writes a run folder, as `train.py` does.

    Args:
        run: The folder to write, new or empty; None for one in `runs/`.
        dataset: "digits" or a name of tensorflow-datasets; None for "digits",
            unless there is an `image_folder`.
        image_folder: A folder with a folder of images for each class.
        model: A network, as "convmixer_768_32" or "256/8/k5/p2"; None for the
            recipe's.
        recipe: The name of a recipe or a `Recipe`; None for the one that the
            data set has.
        weights: What to start from, a name or a file; None for random ones.
        options: All other options of `train.py`, with underscores, and the
            fields of a `Recipe`: `epochs=30`, `mixed_precision="auto"`,
            `class_weights="balanced"`.

    Returns:
        Its `RunFolder`, which `load`, `evaluate` and `export_model` take.

    Raises:
        UserError: A `ValueError`, if an argument is not as above, or the
            images can't be trained on; no folder is left.

    Example:
        run = train("runs/digits", dataset="digits", epochs=1)
        print(f"top-1 {run.metrics()['top1']:.2%}")
    """
    plan = plan_of(
        run,
        dataset=dataset,
        image_folder=image_folder,
        model=model,
        recipe=recipe,
        weights=weights,
        **options,
    )
    check_training_backend()
    from keras_convmixer.training.train import begin, finish

    return finish(*begin(plan, run))


def resume(
    run: StrPath,
    replicas: int | None = None,
    workers: int | None = None,
    cache: str | None = None,
    **places: StrPath | None,
) -> RunFolder:
    """Goes on with a training that stopped; ends as if it had not.

    Args:
        run: The run folder.
        replicas, workers, cache: As for `train`, on this machine; None for
            what the run has.
        places: Where the images are now, if they were moved: `image_folder`,
            `test_folder` or `data_dir`.

    Returns:
        Its `RunFolder`.

    Raises:
        UserError: A `ValueError`, if another process uses the folder, it is
            finished, or its images are not there.

    Example:
        resume("runs/photos", image_folder="moved/photos")
    """
    check_training_backend()
    from keras_convmixer.training.train import fit_and_evaluate, prepare

    run = RunFolder(run)
    machine = {"replicas": replicas, "workers": workers, "cache": cache}
    changes: dict[str, Any] = {
        name: value for name, value in machine.items() if value is not None
    }
    with run.in_use():
        plan = dataclasses.replace(run.read_plan(), **changes)
        training = prepare(plan, lambda: run.data(**places))
        fit_and_evaluate(training, run)
    return run


def plan_of(
    run: StrPath | None = None,
    *,
    model: str | None = None,
    recipe: str | Recipe | None = None,
    **options: Any,
) -> Plan:
    """The `Plan` of the arguments of `train`; an option may be None.

    Raises:
        UserError: If an option is unknown, or a value can't be.
    """
    options = {
        name: value for name, value in options.items() if value is not None
    }
    check_names(options)
    if "freeze" in options and "weights" not in options:
        raise UserError("freeze needs weights")
    if "image_folder" not in options:
        options.setdefault("dataset", "digits")
    source = Source(**fields_of(Source, options))
    variant = model and parse_variant(model)
    if worker_addresses():
        if run is None:
            raise UserError("several machines need a run, the same on each")
    elif run is not None:
        check_empty(run)
    if not isinstance(recipe, Recipe):
        recipe = recipe_for(source.dataset, source.native_size(), recipe)
    if variant:
        recipe = recipe.with_variant(variant)
    recipe = recipe.replace(**fields_of(Recipe, options))
    if "cache" in options:
        # A number too is text in `config.json`.
        options["cache"] = str(options["cache"])
    if "weights" in options:
        options["weights"] = str(options["weights"])
        find_file(options["weights"], recipe.network)
    return Plan(recipe=recipe, source=source, **fields_of(Plan, options))


def check_names(options: Iterable[str]) -> None:
    """That each is a field of a `Source`, a `Recipe` or a `Plan`."""
    known = {
        field.name
        for record in (Source, Recipe, Plan)
        for field in dataclasses.fields(record)
    } - {"source", "recipe"}
    for name in options:
        if name not in known:
            raise UserError(
                f"unknown option {name!r}.{did_you_mean(name, known)}"
            )


def fields_of(record: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are fields of a dataclass."""
    names = {field.name for field in dataclasses.fields(record)}
    return {k: v for k, v in options.items() if k in names}
