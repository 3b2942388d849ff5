"""The example files for machines that stop trainings."""

import configparser
import os
import shlex
import subprocess

import pytest
import yaml

from keras_convmixer.command_line.train import parse_arguments
from tests.processes import ROOT

EXAMPLES = ROOT / "examples"
SCRIPT = "train_or_resume.sh"


def words_of_slurm():
    text = (EXAMPLES / "slurm.sh").read_text().replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if SCRIPT in line]
    return shlex.split(line)


def words_of_kubernetes():
    job = yaml.safe_load((EXAMPLES / "kubernetes.yaml").read_text())
    pod = job["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= 30
    (container,) = pod["containers"]
    return container["command"]


def words_of_systemd():
    unit = configparser.ConfigParser()
    unit.read(EXAMPLES / "spot.service")
    service = unit["Service"]
    assert int(service["TimeoutStopSec"]) >= 30
    return shlex.split(service["ExecStart"])


@pytest.mark.parametrize(
    "words_of", [words_of_slurm, words_of_kubernetes, words_of_systemd]
)
def test_an_example_trains_with_options_that_exist(words_of):
    words = words_of()
    (place,) = [i for i, word in enumerate(words) if word.endswith(SCRIPT)]
    run, *options = words[place + 1 :]
    args = parse_arguments(["--run", run, *options])
    assert args.dataset == "cifar10"
    assert args.mixed_precision == "auto"


def test_a_job_that_starts_again_goes_on(tmp_path):
    program = tmp_path / "convmixer"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    run = tmp_path / "my run"

    def started():
        return subprocess.run(
            [EXAMPLES / SCRIPT, run, "--epochs", "3"],
            env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    assert started() == f"train --run {run} --epochs 3"
    run.mkdir()
    (run / "config.json").touch()
    assert started() == f"train --resume {run}"


@pytest.mark.parametrize("name", [SCRIPT, "slurm.sh"])
def test_a_script_is_one_of_its_shell(name):
    shell = (EXAMPLES / name).read_text().splitlines()[0].removeprefix("#!")
    subprocess.run([shell, "-n", EXAMPLES / name], check=True)
