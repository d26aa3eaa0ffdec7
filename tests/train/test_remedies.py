"""Warnings of a fusion name what the experiment takes: its methods, and its options by their names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("torch")

from fastfuse.cohort.msseg import find_cases
from fastfuse.train.cohort.loading import load_case
from fastfuse.train.options import make_options
from fastfuse.train.targets.consensus import consensus_of
from fastfuse.train.targets.remedies import as_experiment_takes

from ..border.draws import SPACING, Drawn, contours

SHIFTS = [0.6, 0.3, 0.0, -0.2, 0.1, -0.5, 0.4]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    """Raters who draw contours, whom STAPLE's model does not fit."""
    return contours(SHIFTS, shape=(80, 80, 40))


def written(drawn: Drawn, folder: Path) -> Path:
    """Write a cohort of one case."""
    case = folder / "Training" / "Center_01" / "Patient_01"
    files = {
        f"Preprocessed_Data/{name}_preprocessed": drawn.image for name in ("DP", "FLAIR", "GADO", "T1", "T2")
    }
    files |= {f"Masks/ManualSegmentation_{number}": mask for number, mask in enumerate(drawn.masks, start=1)}
    files["Masks/Brain_Mask"] = drawn.brain
    for name, values in files.items():
        path = case / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(values, np.diag([*SPACING, 1.0])), path)
    return folder


def test_a_model_that_does_not_fit(drawn: Drawn, tmp_path: Path) -> None:
    """The method that it names is one of the experiment, on the terminal and in the sidecar."""
    case = load_case(find_cases(written(drawn, tmp_path / "c"))[0])
    told: list[str] = []
    chosen = make_options("quick", None, ["methods=staple,border-staple"])
    consensus_of(case, ["staple"], chosen.consensus, tmp_path, key="a", tell=told.append)
    [line] = [line for line in told if "the model does not fit" in line]
    assert line.endswith(
        ": the experiment lacks that method, and has border-staple for such raters: name it in methods"
    )
    assert "classes=3" not in line
    [kept] = json.loads((tmp_path / "staple.json").read_text())["warnings"]
    assert line == f"warning: Patient_01, staple: {kept}"
    told.clear()
    consensus_of(case, chosen.methods[1:], chosen.consensus, tmp_path, key="a", tell=told.append)
    assert not [line for line in told if "the model does not fit" in line]


def test_options_have_the_names_that_the_experiment_takes() -> None:
    """Each is an option of the experiment; what it does not have stays as it is."""
    texts = {
        "look at the start, or choose prior='estimate'; also m_step='em'": [
            "consensus.prior=estimate",
            "consensus.m_step=em",
        ],
        "by 1 nats: fuse(method='staple', prior='estimate'), without mrf; else": ["consensus.prior=estimate"],
        "overshoots; threshold='exact' keeps to the size": ["consensus.threshold=exact"],
        "it shares a reach; radius_mm=3 sets one": ["consensus.radius_mm=3"],
    }
    for text, assignments in texts.items():
        shown = as_experiment_takes(text)
        assert re.findall(r"consensus\.\w+=\w+", shown) == assignments
        make_options("quick", None, assignments)
        assert not re.search(r"fuse\(|(?<!consensus\.)\b(prior|m_step|threshold|radius_mm)=", shown)
    assert as_experiment_takes("ties='background', threshold=0.5") == "ties='background', threshold=0.5"
