"""int8 files after quantisation-aware training."""

import tempfile
from pathlib import Path

import keras

from keras_convmixer.evaluation.keras_model import (
    output_activation,
    output_kind,
    output_name,
)
from keras_convmixer.evaluation.output_kind import OutputKind
from keras_convmixer.inference import reparameterize
from keras_convmixer.utils.checks import UserError

from ..arguments import read_representative_images
from ..converter import check_model, full_float32
from .fit import fit_to_eight_bits
from .quantize import quantize_int8

# Without their norms' statistics, barely trained networks bear no more.
LEARNING_RATE = 1e-5
LOSSES = {
    "softmax": "categorical_crossentropy",
    "sigmoid": "binary_crossentropy",
}


@full_float32()
def convert_qat(
    model, representative_images, batches, steps, held_out, epochs, io="uint8"
):
    """Fine-tunes a model with fake quantisation, and converts it.

    The float model is the teacher: the loss is the cross-entropy to the
    probabilities that it gives the same images. Training begins where the
    "int8" file of `export.tflite.convert` is; Adam's rate rises for a tenth
    of the steps and falls as a cosine to 0, and what is closest to the
    teacher on the held-out images is kept, the beginning included. No label
    is looked at.

    Args:
        model: A model that has a ConvMixer in it, trained, with a fixed input
            size, that gives probabilities. Behind the ConvMixer it may have
            layers that `tf_keras` has too.
        representative_images, io: As for `export.tflite.convert`.
        batches: `tf.data.Dataset` of (images, one-hot labels), without end.
        steps: How many of `batches` make an epoch.
        held_out: The held-out images in the same form, once.
        epochs: How long to train.

    Returns:
        `(contents, aware)`: the contents of the file, whose interface and
        operators are those of "int8", and the `tf_keras.Model` that was
        trained.

    Raises:
        ValueError: If an argument is not as above.
    """
    from .quantization_aware import (
        quantization_aware,
        trained_inference_model,
    )

    check_model(model)
    if output_activation(model) not in LOSSES:
        raise UserError(
            "model must give probabilities to be trained for int8. Received: "
            f"one that gives {output_name(model)}"
        )
    images = read_representative_images(representative_images, model)
    inference = reparameterize(model, "integers")
    layer_ranges = fit_to_eight_bits(inference, images)
    aware = quantization_aware(inference, layer_ranges)
    fine_tune(aware, model, batches, steps, held_out, epochs)

    inference = trained_inference_model(aware, inference)
    return quantize_int8(inference, images, layer_ranges, io), aware


def fine_tune(aware, teacher, batches, steps, held_out, epochs):
    """Trains the quantisation-aware model to do as its teacher does."""
    from .legacy_model import tf_keras

    def distillation_batches(batches):
        for images, _ in batches:
            expected = teacher(images, training=False)
            yield images, keras.ops.cast(expected, "float32")

    agreement = tf_keras.metrics.CategoricalAccuracy("agreement")
    has_labels = output_kind(teacher) is OutputKind.LABELS
    warmup = epochs * steps // 10
    rate = tf_keras.optimizers.schedules.CosineDecay(
        0.0,
        epochs * steps - warmup,
        warmup_target=LEARNING_RATE,
        warmup_steps=warmup,
    )
    aware.compile(
        tf_keras.optimizers.Adam(rate),
        LOSSES[output_activation(teacher)],
        metrics=[labels_agree if has_labels else agreement],
    )
    with tempfile.TemporaryDirectory() as folder:
        best = Path(folder, "best")
        aware.save_weights(best)
        loss, agreed = aware.evaluate(
            distillation_batches(held_out), steps=len(held_out), verbose=0
        )
        print(f"Before: val_loss: {loss:.4f} - val_agreement: {agreed:.4f}")
        aware.fit(
            distillation_batches(batches),
            steps_per_epoch=steps,
            epochs=epochs,
            validation_data=distillation_batches(held_out.repeat()),
            validation_steps=len(held_out),
            callbacks=[
                tf_keras.callbacks.ModelCheckpoint(
                    best,
                    save_best_only=True,
                    save_weights_only=True,
                    initial_value_threshold=loss,
                )
            ],
        )
        aware.load_weights(best).expect_partial()


def labels_agree(expected, found):
    """Whether the same labels are above 0.5."""
    is_same = keras.ops.equal(expected > 0.5, found > 0.5)
    return keras.ops.all(is_same, -1)
