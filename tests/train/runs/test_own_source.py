"""Predictions by a network of one's own whose source has changed since the run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse import FastfuseError
from fastfuse.cli.predict import _warnings
from fastfuse.cohort.msseg import find_cases
from fastfuse.train.experiment import run_experiment
from fastfuse.train.place import model_hash
from fastfuse.train.predict import predict_cases

from .common import small

pytestmark = pytest.mark.usefixtures("no_figures")

SOURCE = """
import torch

def make(in_channels, width, depth):
    layer = torch.nn.Conv2d(in_channels, 1, 3, padding=1)
    return torch.nn.Sequential(layer, torch.nn.Sigmoid())
"""


def test_another_source_is_refused_by_name(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the weights fit it; --force predicts, and the record says so."""
    source = tmp_path / "changing.py"
    source.write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    run, case = tmp_path / "run", find_cases(cohort)[0].images["FLAIR"].parent.parent
    run_experiment(cohort, run, small("network.model=changing:make"), device="cpu")
    (found,) = predict_cases(run, [case], tmp_path / "same", device="cpu")
    assert found.remarks == []
    facts = json.loads(found.path.with_name(f"{found.case}.json").read_text())
    before = model_hash("changing:make")
    assert facts["model"] == "changing:make"
    assert facts["source"] == before == facts["networks"][0]["source_in_the_run"]
    source.write_text(SOURCE.replace("torch.nn.Sigmoid()", "torch.nn.Hardsigmoid()"))
    sys.modules.pop("changing")
    with pytest.raises(
        FastfuseError, match=r"run\.json: the source of changing:make has changed .* or pass --force"
    ):
        predict_cases(run, [case], tmp_path / "other", device="cpu")
    assert not (tmp_path / "other").exists()
    (forced,) = predict_cases(run, [case], tmp_path / "other", device="cpu", force=True)
    assert any("the source of changing:make has changed" in line for line in _warnings([forced]))
    facts = json.loads(forced.path.with_name(f"{forced.case}.json").read_text())
    assert facts["source"] == model_hash("changing:make") != facts["networks"][0]["source_in_the_run"]
    assert facts["remarks"] == forced.remarks
    source.unlink()
    sys.modules.pop("changing")
    with pytest.raises(FastfuseError, match=r"changing:make cannot be imported .* PYTHONPATH"):
        predict_cases(run, [case], tmp_path / "third", device="cpu")
