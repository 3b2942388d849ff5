"""The clients, their packages, and what is known of their own faults."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Client:
    """A release of a client, in an environment of its own.

    Attributes:
        name: What the page calls it.
        kind: The function of `in_client` that runs files in it.
        packages: What pip installs.
        note: What its row says besides, such as a fault of its own.
        python: The interpreter that its environment is made with.
    """

    name: str
    kind: str
    packages: tuple
    note: str = ""
    python: str = sys.executable


OLD_NUMPY = "numpy<2"
CLIENTS = (
    Client("litert-oldest", "litert", ("ai-edge-litert==1.0.1", OLD_NUMPY)),
    Client("litert-newest", "litert", ("ai-edge-litert",)),
    Client(
        "tflite-runtime-2.8",
        "tflite_runtime",
        ("tflite-runtime==2.8.0", OLD_NUMPY),
        "needs Python 3.9; it has no GELU of integers, which 2.9 has",
        python="python3.9",
    ),
    Client(
        "tflite-runtime-2.9",
        "tflite_runtime",
        ("tflite-runtime==2.9.1", OLD_NUMPY),
        "needs Python 3.9",
        python="python3.9",
    ),
    Client(
        "tflite-runtime-newest",
        "tflite_runtime",
        ("tflite-runtime==2.14.0", OLD_NUMPY),
    ),
    Client("mediapipe-0.10.5", "mediapipe", ("mediapipe==0.10.5", OLD_NUMPY)),
    Client("mediapipe-0.10.13", "mediapipe", ("mediapipe==0.10.13", OLD_NUMPY)),
    Client("mediapipe-newest", "mediapipe", ("mediapipe", "pillow")),
    Client(
        "openvino-newest",
        "openvino",
        ("openvino",),
        "its integer arithmetic loses accuracy on CPUs without VNNI",
    ),
    Client(
        "onnxruntime-oldest",
        "onnxruntime",
        ("onnxruntime==1.17.3", OLD_NUMPY),
    ),
    Client("onnxruntime-newest", "onnxruntime", ("onnxruntime",)),
    Client(
        "tflite-micro",
        "tflite_micro",
        ("tflite-micro",),
        "has no GELU and no float32 beside integers",
    ),
    Client("tensorflow-oldest", "tensorflow", ("tensorflow-cpu==2.17.1",)),
    Client("tensorflow-newest", "tensorflow", ("tensorflow-cpu",)),
    Client(
        "coreml",
        "coreml",
        ("coremltools", "tensorflow-cpu"),
        "converted by the lines of phone.md; it runs on macOS only",
    ),
)
# Clients that no command here runs, with what is known of them.
BY_HAND = {
    "Android's MetadataExtractor, Task Library 0.4.4": "2026-11-26, Java: "
    "they find labels by offsets from the start of the file, as they are now",
    "LiteRT.js, WebGPU": "`tests/export/test_demo.py`, in Chromium",
    "LiteRT.js 2.5.3, wasm and WebGPU": "2026-11-26, Chromium: 10 files as in "
    "LiteRT; it takes no int8 input",
    "onnxruntime-web 1.30, wasm and WebGPU": "2026-11-26, Chromium: 100 of 100",
    "MediaPipe Tasks for the web": "`tests/export/test_demo.py`, in Chromium",
}
