"""Runs made by hand: predictions without any training."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

import fastfuse
from fastfuse.cohort.msseg import find_cases
from fastfuse.train.cohort.loading import load_case
from fastfuse.train.options import make_options
from fastfuse.train.provenance import hashes_of

METHODS = ("staple", "soft-staple")
Predict = Callable[[NDArray[Any], np.random.Generator, str], NDArray[Any]]


def noisy(votes: NDArray[Any], rng: np.random.Generator, method: str) -> NDArray[Any]:
    """The mean vote, blurred by chance; of soft-STAPLE a little larger."""
    return np.clip(
        votes + rng.normal(0, 0.15, votes.shape) * (votes > 0) + 0.1 * (method != "staple") * (votes > 0),
        0,
        1,
    )


def make_run(
    cohort: Path, out: Path, *assignments: str, folds: int = 3, predict: Predict = noisy, seed: int = 0
) -> Path:
    """Write the folder of a finished run."""
    cases = find_cases(cohort)
    options = make_options(
        "quick", None, [f"methods={','.join(METHODS)}", "evaluation.least_voxels=2", *assignments], seed=seed
    )
    options = replace(options, folds=folds)
    names = [case.name for case in cases]
    tested = [names[fold::folds] for fold in range(folds)]
    record = {"options": asdict(options), "cohort": str(cohort), "files": hashes_of(cases)}
    write(out / "run.json", record)
    write(out / "folds.json", {"folds": tested})
    for case in cases:
        loaded = load_case(case)
        votes = np.mean(loaded.masks, axis=0)
        save(
            out / "consensus" / case.name / "staple.nii.gz", fastfuse.staple(loaded.masks).probability, loaded
        )
        for method in options.methods:
            if method != "staple":
                save(out / "consensus" / case.name / f"{method}.nii.gz", votes, loaded)
            rng = np.random.default_rng([seed, names.index(case.name), METHODS.index(method)])
            save(out / "predictions" / method / f"{case.name}.nii.gz", predict(votes, rng, method), loaded)
    for method in options.methods:
        for fold in range(1, folds + 1):
            path = out / "models" / method / f"fold_{fold}" / "training.csv"
            path.parent.mkdir(parents=True)
            path.write_text("epoch,loss,validation,seconds\n1,0.9,,1\n2,0.5,0.6,1\n3,0.4,,1\n4,0.3,0.7,1\n")
    return out


def save(path: Path, values: NDArray[Any], like: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(values, np.float32), like.like.affine), path)


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def folds_of(run: Path) -> list[list[str]]:
    found: list[list[str]] = json.loads((run / "folds.json").read_text())["folds"]
    return found


def empty(run: Path, method: str, fold: int) -> None:
    """Let a network mark nothing."""
    for name in folds_of(run)[fold - 1]:
        path = run / "predictions" / method / f"{name}.nii.gz"
        image = nib.load(path)
        nib.save(nib.Nifti1Image(np.zeros(image.shape, np.float32), image.affine), path)


def fail(run: Path, method: str, fold: int, names: Sequence[str] = ()) -> None:
    """Let a training break off."""
    for name in names or folds_of(run)[fold - 1]:
        (run / "predictions" / method / f"{name}.nii.gz").unlink()
    write(run / "models" / method / f"fold_{fold}" / "failed.json", {"epoch": 3, "reason": "the loss is nan"})
