"""Networks as raters: fuse the probability maps of several trained models: python bench/studies/networks.py RUN COHORT.

RUN is what ``fastfuse experiment COHORT --out RUN`` wrote. Each of its methods has trained a network of its own; their
maps of a test case, which no network has learnt from, are votes in [0, 1], and soft-STAPLE fuses them. Maps that
nnU-Net saved (CASE.npz beside CASE.nii.gz) are read in the same way: ``fastfuse.fuse_files(paths, output)``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastfuse
from fastfuse.cohort.msseg import find_cases
from fastfuse.evaluation.overlap import overlap
from fastfuse.images.reading import read
from fastfuse.train.cohort.loading import load_case


def fuse_maps(maps: Sequence[Path]) -> dict[str, NDArray[Any]]:
    """Return each model's probabilities, their mean, and the consensus of soft-STAPLE."""
    found = {path.parent.name: np.asarray(read(path).data) for path in maps}
    mean = np.mean(list(found.values()), axis=0)
    with tempfile.TemporaryDirectory() as folder:
        # a network's probabilities want the true maximiser, and a prior that is estimated
        fused = fastfuse.fuse_files(maps, Path(folder) / "consensus.nii.gz", m_step="em", prior="estimate")
    return {**found, "mean of all": mean, "soft-STAPLE of all": fused.probability}


def main(run: Path, cohort: Path) -> dict[str, float]:
    """Print and return the Dice of each, mean over cases and experts."""
    dices: dict[str, list[float]] = {}
    for case in find_cases(cohort):
        maps = sorted(run.glob(f"predictions/*/{case.name}.nii.gz"))
        masks = load_case(case).masks
        for name, probability in fuse_maps(maps).items():
            found = [overlap(probability >= 0.5, mask).dice for mask in masks]
            dices.setdefault(name, []).append(float(np.mean(found)))
    means = {name: float(np.mean(values)) for name, values in dices.items()}
    for name, value in means.items():
        print(f"{name:24} Dice {value:.3f} against the experts")
    return means


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
