"""The study trains each network once, and goes on where it was stopped."""

import csv

import pytest

from benchmarks import study
from tests.helpers import run_program


def test_the_study_is_written_and_resumed(tmp_path, monkeypatch):
    monkeypatch.setitem(
        study.QUESTIONS, "initialiser", [("8/1/k3/p2", "covariance")]
    )
    output = tmp_path / "study.csv"
    arguments = (
        *("--dataset", "digits", "--recipe", "digits", "--size", 8),
        *("--only", "initialiser", "--seeds", 1, "--epochs", 1),
        *("--runs", tmp_path / "runs", "--output", output),
    )
    printed = run_program(study.main, *arguments)
    (row,) = csv.DictReader(output.read_text().splitlines())
    (run,) = (tmp_path / "runs").iterdir()
    *_, last = csv.DictReader((run / "history.csv").read_text().splitlines())
    expected = 100 * float(last["val_accuracy"])
    assert float(row["top1"]) == pytest.approx(expected, abs=0.005)
    assert row["initializer"] == "covariance"
    assert f"| {float(row['top1']):.2f} " in printed

    # A row that is there needs no training, nor the folder of one.
    written = output.read_bytes()
    run.rename(tmp_path / "moved")
    run_program(study.main, *arguments)
    assert output.read_bytes() == written
    assert not run.exists()

    # A finished training whose row is not there is not trained again.
    (tmp_path / "moved").rename(run)
    output.unlink()
    finished = (run / "metrics.json").stat().st_mtime_ns
    run_program(study.main, *arguments)
    assert output.read_bytes() == written
    assert (run / "metrics.json").stat().st_mtime_ns == finished


def test_a_question_that_is_not_there(capsys):
    with pytest.raises(SystemExit) as stop:
        study.main(["--only", "kernels"])
    assert stop.value.code == 2
    assert "Did you mean 'kernel'?" in capsys.readouterr().err
