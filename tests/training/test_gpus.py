"""What a GPU is called, and in which precision it computes."""

import dataclasses

import pytest

from keras_convmixer.training.devices import Devices
from keras_convmixer.training.gpus import (
    Gpu,
    capability_of,
    gpus_of_jax,
    gpus_of_tensorflow,
    precision_of,
)
from keras_convmixer.training.summary import (
    device_names,
    precision_words,
    xla_words,
)
from keras_convmixer.utils.processors import gpu_memory, has_nvidia_driver
from tests.training.test_combinations import plan_of

H100 = Gpu("NVIDIA H100", (9, 0), 80 * 2**30)
T4 = Gpu("Tesla T4", (7, 5), 15 * 2**30)
P100 = Gpu("Tesla P100", (6, 0))
OTHER = Gpu("GPU")


@pytest.mark.parametrize(
    ("choice", "gpus", "expected", "reason"),
    [
        ("auto", [H100], "bfloat16", "compute capability 9.0"),
        ("auto", [Gpu("A100", (8, 0))], "bfloat16", "8.0"),
        ("auto", [T4], "float16", "7.5"),
        ("auto", [Gpu("V100", (7, 0))], "float16", "7.0"),
        ("auto", [H100, T4], "float16", "7.5"),
        ("auto", [P100], None, "no tensor cores"),
        ("auto", [OTHER], None, "unknown"),
        ("auto", [], None, "CPUs"),
        ("float16", [H100], "float16", "chosen"),
        ("bfloat16", [], "bfloat16", "chosen"),
        (None, [H100], None, "default"),
    ],
)
def test_auto_is_the_precision_that_all_gpus_are_made_for(
    choice, gpus, expected, reason
):
    precision, words = precision_of(choice, gpus)
    assert precision == expected
    assert reason in words


def test_a_training_names_its_gpus_and_says_why():
    plan = dataclasses.replace(plan_of(()), mixed_precision="auto")
    devices = Devices(["GPU:0", "GPU:1"], 2, gpus=[H100, P100], xla=True)
    assert device_names(devices) == (
        "GPU:0 (NVIDIA H100, 80 GiB); GPU:1 (Tesla P100)"
    )
    assert xla_words(plan, devices) == "on, on GPUs"
    assert precision_words(plan, devices).startswith("float32 (auto: ")
    devices = Devices(["GPU:0"], gpus=[H100], xla=True)
    assert precision_words(plan, devices) == (
        "bfloat16, weights float32 (auto: compute capability 9.0)"
    )
    plan = dataclasses.replace(plan, xla="off")
    assert xla_words(plan, devices) == "off, as chosen"
    assert device_names(Devices(["CPU:0"])) == "CPU:0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("9.0", (9, 0)), ("10.3", (10, 3)), ("gfx90a", None), (None, None)],
)
def test_a_compute_capability_is_two_numbers(text, expected):
    assert capability_of(text) == expected


@pytest.mark.skipif(has_nvidia_driver(), reason="there is a GPU")
def test_a_machine_without_a_gpu_has_none():
    assert gpus_of_tensorflow() == gpus_of_jax() == []
    assert gpu_memory(0) is None
