"""Trains a ConvMixer: data -> network -> `model.fit` -> run folder.

python train.py                            bundled digits
python train.py --dataset cifar10          any tensorflow-datasets name
python train.py --image-folder photos/     photos/CLASS/*.jpg
"""

from pathlib import Path

from keras_convmixer.commands import (
    Parser,
    one_line_errors,
    positive_float,
    positive_int,
    quiet_tensorflow,
)


def parse_arguments(arguments=None):
    parser = Parser(
        description="Trains a ConvMixer and writes a run folder.",
        epilog="The defaults are the data set's recipe, in "
        "keras_convmixer/recipes.py.",
    )
    add = parser.add_argument
    add("--dataset", help="digits (default) or a tensorflow-datasets name")
    add("--data-dir", help="where tensorflow-datasets keeps its files")
    add("--image-folder", help="a folder with a folder of images per class")
    add("--model", help="a network: convmixer_768_32, or 256/8/k5/p2")
    add("--weights", help="weights to start from: a name or a file")
    add("--image-size", type=positive_int, help="pixels")
    add("--epochs", type=positive_int)
    add("--batch-size", type=positive_int, help="over all replicas together")
    add("--learning-rate", type=positive_float, help="peak of the schedule")
    add("--seed", type=int, default=0)
    add("--limit-steps", type=positive_int, help="steps an epoch at most")
    add("--replicas", type=positive_int, help="GPUs, or logical CPUs")
    add("--run", type=Path, help="folder to write (default: runs/NAME)")
    args = parser.parse_args(arguments)
    if not args.image_folder and not args.dataset:
        args.dataset = "digits"
    return args


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        quiet_tensorflow()
        train(args)


def train(args):
    import keras

    from keras_convmixer.augmentation import augmentation
    from keras_convmixer.data import (
        Source,
        held_out_batches,
        training_batches,
    )
    from keras_convmixer.recipes import recipe_for
    from keras_convmixer.run_folder import RunFolder
    from keras_convmixer.training import (
        SaveBest,
        compile_for_training,
        mirrored_strategy,
    )
    from keras_convmixer.variants import parse_variant

    # What to train, on what.
    source = Source(args.dataset, args.data_dir, args.image_folder, args.seed)
    recipe = recipe_for(source.dataset, source.native_size())
    if args.model:
        recipe = recipe.with_variant(parse_variant(args.model))
    recipe = recipe.replace(
        image_size=args.image_size,
        epochs=args.epochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
    )

    # On which devices; it must be settled before anything uses them.
    strategy = mirrored_strategy(args.replicas, recipe.batch_size)
    keras.utils.set_random_seed(args.seed)

    data = source.load(recipe.image_size)
    batches = training_batches(
        data,
        recipe.batch_size,
        args.seed,
        augmentation(recipe, args.seed),
        args.limit_steps,
    )
    with strategy.scope():
        model = recipe.build(len(data.classes), args.weights)
        compile_for_training(
            model,
            recipe,
            total_steps=recipe.epochs * len(batches),
            replicas=strategy.num_replicas_in_sync,
        )

    run = RunFolder.new(args.run, data.name)
    run.write_config(
        recipe,
        source,
        data,
        weights=args.weights,
        seed=args.seed,
        limit_steps=args.limit_steps,
        replicas=strategy.num_replicas_in_sync,
    )
    print_plan(run, recipe, data, model, strategy, len(batches))
    model.fit(
        batches,
        validation_data=held_out_batches(data, recipe.batch_size),
        epochs=recipe.epochs,
        shuffle=False,  # The data set shuffles itself.
        callbacks=[
            SaveBest(run.model),
            keras.callbacks.CSVLogger(run.history),
        ],
    )
    evaluate(run, data, recipe.batch_size)


def print_plan(run, recipe, data, model, strategy, steps):
    """What follows from the arguments, before the long part begins."""
    devices = ", ".join(strategy.extended.worker_devices)
    images = f"{data.num_train:,} training, {data.num_held_out:,} held out"
    size = recipe.image_size
    for name, value in {
        "data": f"{data.name}, {len(data.classes)} classes, {images}",
        "network": f"{recipe.dim}/{recipe.depth}, kernel {recipe.kernel_size}"
        f", patch {recipe.patch_size}, {size} x {size} pixels, "
        f"{model.count_params():,} parameters",
        "devices": devices,
        "replicas": strategy.num_replicas_in_sync,
        "global batch": recipe.batch_size,
        "steps an epoch": steps,
        "epochs": recipe.epochs,
        "run folder": run.path,
    }.items():
        print(f"{name:>14}  {value}")


def evaluate(run, data, batch_size):
    """Held-out accuracy and pictures of the best model, from its file."""
    import keras

    from keras_convmixer.data import as_arrays
    from keras_convmixer.files import write_json
    from keras_convmixer.plots import plot_confusion, plot_history

    model = keras.saving.load_model(run.model, compile=False)
    images, labels = as_arrays(data.held_out)
    predictions = model.predict(images, batch_size, verbose=0).argmax(-1)
    top1 = float((predictions == labels).mean())
    write_json(
        run.metrics,
        {"top1": top1, "images": len(labels), "held_out": data.held_out_split},
    )
    plot_history(run.history, run.plots / "history.png")
    plot_confusion(
        labels, predictions, data.classes, run.plots / "confusion.png"
    )
    print(f"held-out top-1 {top1:.4f} on {len(labels):,} images")
    print(f"next: python -m export {run.path}")


if __name__ == "__main__":
    main()
