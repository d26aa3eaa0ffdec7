"""Warnings of a fusion name what the experiment takes: its methods, and its options by their names."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("torch")

from fastfuse import FusionWarning, border_staple, pool, soft_staple, soften, staple, tabulate
from fastfuse.cohort.msseg import find_cases
from fastfuse.errors import in_python
from fastfuse.fusion.fit.remarks import REMEDIES, _remedy
from fastfuse.fusion.fit.result import BORDER, CLASSES, STAPLE
from fastfuse.fusion.fit.source import Source
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
        ": the experiment lacks that method; its own for such raters is border-staple, to be named in methods"
    )
    assert "classes=3" not in line
    [kept] = json.loads((tmp_path / "staple.json").read_text())["warnings"]
    assert line == f"warning: Patient_01, staple: {kept}"
    told.clear()
    consensus_of(case, chosen.methods[1:], chosen.consensus, tmp_path, key="a", tell=told.append)
    assert not [line for line in told if "the model does not fit" in line]


def remarks_of(call: Callable[[], Any]) -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FusionWarning)
        call()
    return "; ".join(str(warning.message) for warning in caught)


@pytest.mark.parametrize("image", [False, True])
@pytest.mark.parametrize("without", [(), ("prior='estimate'", "init=0.9")])
@pytest.mark.parametrize("best", REMEDIES)
def test_each_model_that_would_fit_is_one_of_the_experiment(
    best: str, without: tuple[str, ...], image: bool
) -> None:
    """However the remedy goes on: with options to leave out, and with border-STAPLE beside three classes."""
    refused = {BORDER: without, CLASSES: without, STAPLE: without}
    remedy = _remedy(best, Source(None, None, STAPLE, [], 0, refused=refused), image=image)  # type: ignore[arg-type]
    shown = as_experiment_takes(f"before: {in_python(remedy)}; behind")
    taken = {
        STAPLE: "consensus.prior=estimate",
        CLASSES: "the experiment lacks that method; its own for such raters is border-staple, to be named in methods",
        BORDER: "border-staple, to be named in methods",
    }
    assert shown == f"before: {taken[best]}; behind"


SHAPE = (30, 30, 20)
BOX = np.zeros(SHAPE, bool)
BOX[8:16, 8:16, 5:12] = True
NOISY = [(BOX ^ (np.random.default_rng(seed).random(SHAPE) < 0.05)).astype(np.uint8) for seed in range(5)]
APART = [np.roll(BOX & (np.indices(SHAPE)[0] == 8), 3 * k, 0).astype(np.uint8) for k in range(5)]
EVERYWHERE = np.ones(SHAPE, np.uint8)
BRIGHT = 100 + 60.0 * BOX
TOLD: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "steps": (lambda: staple(NOISY, max_iter=2), ("max_iter = 2 before convergence: try a mask;",)),
    "steps of levels": (
        lambda: border_staple(NOISY, max_iter=2, spacing_mm=(1, 1, 1)),
        ("before convergence; the model",),
    ),
    "steps of a prior": (
        lambda: staple(NOISY, max_iter=2, prior="estimate", mask=EVERYWHERE),
        ("before convergence: try a fixed prior, which",),
    ),
    "pooled steps": (
        lambda: pool({"a": tabulate(NOISY), "b": tabulate(NOISY)}, "staple", max_iter=2),
        ("before convergence",),
    ),
    "another fit": (
        lambda: soft_staple([0.3 * one for one in APART]),
        ("consensus.m_step=em", "consensus.prior=estimate"),
    ),
    "no fit": (lambda: staple(APART, prior="estimate", mask=EVERYWHERE), ("and the consensus as the prior",)),
    "copies": (
        lambda: border_staple([*NOISY[:1] * 3, *NOISY[1:2] * 2], spacing_mm=(1, 1, 1)),
        ("leave copies out",),
    ),
    "copies that fit": (lambda: staple([*NOISY[:1] * 3, *NOISY[1:3]]), ("consensus.prior=estimate",)),
    "thick slices": (
        lambda: soften(NOISY, BRIGHT + np.indices(SHAPE).sum(0), spacing_mm=(1, 1, 8)),
        ("consensus.radius_mm=3",),
    ),
    "too large": (
        lambda: soften([BOX], 100.0 + BOX.astype(float), size=1.01, iterations=6),
        ("consensus.threshold=exact",),
    ),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_is_told_is_what_the_experiment_takes(case: str) -> None:
    """Of warnings as fusions give them: no option in Python's way stays, and each that is named is one of the experiment."""
    call, expected = TOLD[case]
    told = remarks_of(call)
    shown = as_experiment_takes(told)
    assert shown != told
    for part in expected:
        assert part in shown
    assert not re.search(r"fuse\(|method=|(?<!consensus\.)\b[a-z_]+=|a larger max_iter", shown)
    make_options("quick", None, re.findall(r"consensus\.\w+=\w+", shown))


def test_other_options_stay_as_they_are() -> None:
    assert as_experiment_takes("ties='background', threshold=0.5") == "ties='background', threshold=0.5"
