"""What a training may be told to do, and what it may not."""

import json

import numpy as np
import pytest

from keras_convmixer.command_line.train import main
from keras_convmixer.data.source import Source
from keras_convmixer.runs import Plan, RunFolder
from keras_convmixer.training.compile import OneCycle
from keras_convmixer.training.recipes import DIGITS
from keras_convmixer.utils.checks import UserError
from tests.helpers import run_program
from tests.processes import run_command


@pytest.mark.slow
def test_a_recipe_by_name(tmp_path):
    run = tmp_path / "run"
    run_program(
        main,
        *("--recipe", "cifar10", "--model", "8/1/k3/p2@8"),
        *("--epochs", 1, "--limit-steps", 1, "--batch-size", 32),
        *("--no-flip", "--cutmix", 0, "--run", run),
        *("--class-weights", "balanced", "--activation", "relu"),
    )
    recipe = json.loads((run / "config.json").read_text())["recipe"]
    assert recipe["activation"] == "relu"
    assert recipe["rand_augment"] == 9
    assert recipe["mixup"] == 0.5
    assert recipe["cutmix"] == 0
    assert not recipe["flip"]


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("epochs", -1, "a positive integer"),
        ("epochs", 1.5, "a positive integer"),
        ("batch_size", 0, "a positive integer"),
        ("image_size", 5000, "an integer from 1 to 4096"),
        ("dim", True, "a positive integer"),
        ("learning_rate", float("nan"), "a positive number"),
        ("learning_rate", "0.1", "a positive number"),
        ("weight_decay", 2, "a number from 0 to 1"),
        ("crop", 0.0, "more than 0 and at most 1"),
        ("rand_augment", 11.0, "a number from 0 to 10"),
        ("accumulation", 0, "a positive integer"),
    ],
)
def test_a_recipe_refuses_what_is_out_of_range(field, value, allowed):
    with pytest.raises(UserError) as error:
        DIGITS.replace(**{field: value})
    assert str(error.value) == (
        f"{field} must be {allowed}. Received: {value!r}"
    )


def test_a_recipe_refuses_aliased_crops_where_there_are_no_crops():
    with pytest.raises(UserError, match=r"crop must be below 1\. Received: 1"):
        DIGITS.replace(aliased_resize=0.5)
    assert DIGITS.replace(aliased_resize=0.5, crop=0.9).aliased_resize == 0.5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("replicas", 0),
        ("limit_steps", -1),
        ("seed", -1),
        ("keep", "first"),
        ("class_weights", "even"),
    ],
)
def test_a_plan_refuses_what_is_out_of_range(field, value):
    with pytest.raises(UserError, match=f"{field} must be"):
        Plan(DIGITS, Source("digits"), **{field: value})


def test_a_config_out_of_range_is_refused(digits_run, tmp_path):
    config = json.loads((digits_run / "config.json").read_text())
    config["recipe"]["epochs"] = -1
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="epochs must be a positive integer"):
        RunFolder(tmp_path).read_config()


def test_the_command_says_which_option_changes_the_recipe(
    photographs, tmp_path
):
    done = run_command(
        *("train.py", "--image-folder", photographs, "--run", tmp_path / "run"),
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: batch_size must be at most 45, the number of training images. "
        "Received: 64, of the recipe; --batch-size changes it\n"
    )
    assert not (tmp_path / "run").exists()


def test_the_learning_rate_passes_through_the_points_of_the_paper():
    schedule = OneCycle(peak=0.01, total_steps=1000)
    steps = np.arange(1000)
    rates = [float(schedule(step)) for step in steps[::50]]
    expected = np.interp(
        (steps[::50] + 0.5) / 1000, [0, 0.4, 0.8, 1], [0, 0.01, 0.0005, 0]
    )
    np.testing.assert_allclose(rates, expected, atol=1e-8)
