"""Runs the exported files in one client: in_client.py KIND FOLDER.

It is run by the client's own interpreter, which has NumPy and the client only,
and prints `{"version": ..., "files": {name: agreement or refusal}}` as JSON.
FOLDER holds, for each network, `NETWORK.npz` with images and the classes that
Keras predicts for them, and the exported files in `NETWORK/export`.
"""

import contextlib
import importlib
import importlib.metadata
import json
import re
import sys
import tempfile
from pathlib import Path

import numpy as np


def as_input(image, kind):
    """Pixels `[1, H, W, 3]` as a file of that type takes them."""
    image = image.astype(np.int16) - 128 * (np.dtype(kind) == np.int8)
    return image.astype(kind)[None]


def interpreter(module):
    """`load` for the interpreter of TFLite in one of its packages."""

    def load(path):
        interpreter = importlib.import_module(module).Interpreter(str(path))
        interpreter.allocate_tensors()
        (image,) = interpreter.get_input_details()
        (scores,) = interpreter.get_output_details()

        def run(pixels):
            pixels = as_input(pixels, image["dtype"])
            interpreter.set_tensor(image["index"], pixels)
            interpreter.invoke()
            return interpreter.get_tensor(scores["index"])[0]

        return run

    return load


litert = interpreter("ai_edge_litert.interpreter")
tflite_runtime = interpreter("tflite_runtime.interpreter")


def tensorflow(path):
    import tensorflow as tf

    if path.suffix == ".tflite":
        return interpreter("tensorflow.lite.python.interpreter")(path)
    model = tf.saved_model.load(str(path))
    serve = model.signatures["serving_default"]

    def run(pixels):
        # The model has to outlive its function.
        assert model is not None
        return serve(image=tf.constant(pixels[None]))["probabilities"][0]

    return run


def tflite_micro(path):
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(str(path), arena_size=4_000_000)
    kind = interpreter.get_input_details(0)["dtype"]

    def run(pixels):
        interpreter.set_input(as_input(pixels, kind), 0)
        interpreter.invoke()
        return interpreter.get_output(0)[0]

    return run


def mediapipe(path):
    import mediapipe
    from mediapipe.tasks.python import vision

    classifier = vision.ImageClassifier.create_from_model_path(str(path))
    labels = path.with_name("labels.txt").read_text().splitlines()

    def run(pixels):
        pixels = np.ascontiguousarray(pixels)
        image = mediapipe.Image(mediapipe.ImageFormat.SRGB, pixels)
        (head,) = classifier.classify(image).classifications
        scores = np.zeros(len(labels))
        for category in head.categories:
            assert category.category_name == labels[category.index]
            scores[category.index] = category.score
        return scores

    return run


def openvino(path):
    import openvino

    core = openvino.Core()
    model = core.compile_model(core.read_model(str(path)), "CPU")
    kind = model.input(0).get_element_type().to_dtype()
    return lambda pixels: model(as_input(pixels, kind))[0][0]


def onnxruntime(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    return lambda pixels: session.run(None, {"image": pixels[None]})[0][0]


def coreml(path):
    """Converts the SavedModel by the lines of the docs; it can't be run."""
    page = (Path(__file__).parents[2] / "docs" / "phone.md").read_text()
    (code,) = re.findall("```python\n(import coremltools.*?)```", page, re.S)
    with tempfile.TemporaryDirectory() as folder:
        run, here = Path(folder, "runs", "digits"), contextlib.chdir(folder)
        run.mkdir(parents=True)
        (run / "export").symlink_to(path.resolve().parent)
        with here:
            names = {}
            exec(code, names)
            saved = Path("digits.mlpackage").is_dir()
    description = names["model"].get_spec().description
    assert saved
    assert description.input[0].type.WhichOneof("Type") == "imageType"
    raise NotImplementedError(f"converted: {description.predictedFeatureName}")


# Of each kind: the package whose version is told, and the files that it takes.
KINDS = {
    litert: ("ai-edge-litert", "*.tflite"),
    tflite_runtime: ("tflite-runtime", "*.tflite"),
    tensorflow: ("tensorflow-cpu", "*"),
    tflite_micro: ("tflite-micro", "*.tflite"),
    mediapipe: ("mediapipe", "*.tflite"),
    openvino: ("openvino", "*"),
    onnxruntime: ("onnxruntime", "*.onnx"),
    coreml: ("coremltools", "saved_model"),
}
NOT_FOR = {tensorflow: (".onnx",)}


def agreement(load, path, images, expected):
    """Share of the images with Keras' class, or why there is none."""
    try:
        run = load(path)
        named = [int(np.argmax(run(image))) for image in images]
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]
    return float(np.mean(named == expected))


def run_files(load, folder):
    """`{file: agreement or refusal}` for all files that a client takes."""
    _, pattern = KINDS[load]
    found = {}
    for archive in sorted(folder.glob("*.npz")):
        network, arrays = archive.stem, np.load(archive)
        for path in sorted((folder / network / "export").glob(pattern)):
            is_file = path.suffix in (".tflite", ".onnx")
            if path.name != "saved_model" and not is_file:
                continue
            if path.suffix in NOT_FOR.get(load, ()):
                continue
            found[f"{network}/{path.name}"] = agreement(
                load, path, arrays["images"], arrays["classes"]
            )
    return found


def main(kind, folder):
    load = globals()[kind]
    files = run_files(load, Path(folder))
    version = importlib.metadata.version(KINDS[load][0])
    print(json.dumps({"version": version, "files": files}))


if __name__ == "__main__":
    main(*sys.argv[1:])
