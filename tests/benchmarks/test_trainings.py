"""Ways to train are compared; each training is done once."""

import csv
import json

from benchmarks import trainings
from tests.helpers import run_program


def test_each_training_is_done_once(tmp_path, photographs):
    output, runs = tmp_path / "trainings.csv", tmp_path / "runs"
    way = "--model 8/1/k3/p4@8 --epochs 2 --batch-size 8"
    arguments = (photographs, "--way", way, "--seeds", 1)
    arguments = (*arguments, "--runs", runs, "--output", output)
    printed = run_program(trainings.main, *arguments)
    (row,) = csv.DictReader(output.read_text().splitlines())
    (run,) = runs.iterdir()
    metrics = json.loads((run / "metrics.json").read_text())
    assert float(row["top1"]) == round(100 * metrics["top1"], 2)
    assert row["epochs"] == "2"
    assert float(row["processor_minutes"]) > 0
    assert f"| {float(row['top1']):.1f} " in printed

    # What is in the file is not trained again; a run that is there neither.
    written = output.read_bytes()
    run.rename(tmp_path / "moved")
    run_program(trainings.main, *arguments)
    assert output.read_bytes() == written
    assert not run.exists()
    (tmp_path / "moved").rename(run)
    output.unlink()
    run_program(trainings.main, *arguments)
    (again,) = csv.DictReader(output.read_text().splitlines())
    assert again == row | {"minutes": "", "processor_minutes": ""}
