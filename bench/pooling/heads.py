"""Cases of one set of raters whose truth is known: phantom heads, kept on disk, and cohorts of files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastfuse import phantom
from fastfuse.demo.cohort import FIELD_MM, RATERS
from fastfuse.images.reading import read

FIRST_SEED = 100_000  # no other study or test has heads of these
MISSING = "there are no cases in Training/CENTRE/PATIENT with truth/PATIENT.nii.gz"


class Case(NamedTuple):
    """A head: where the lesions and the brain are, the masks of raters who draw contours, and FLAIR."""

    name: str
    truth: Any
    brain: Any
    masks: Any
    flair: Any
    spacing_mm: tuple[float, ...]

    def flipped(self, seed: int) -> Any:
        """Return the votes on the brain's voxels of raters who err voxel by voxel, shape (raters, voxels)."""
        rng = np.random.default_rng([seed, int.from_bytes(self.name.encode(), "little")])
        truth = self.truth[self.brain]
        rates = [np.where(truth, one.sensitivity, 1 - one.specificity) for one in phantom.FLIPS]
        return np.array([rng.random(len(truth)) < rate for rate in rates])


def painted(number: int, folder: Path, spacing_mm: float) -> Path:
    """Return the file of a phantom head of this number, which is painted unless it is there."""
    path = folder / f"head_{number:04}.npz"
    if path.is_file():
        return path
    scanners = phantom.SCANNERS
    sides = [round(side / spacing_mm) for side in FIELD_MM]
    made = phantom.make_case(
        FIRST_SEED + number,
        shape=(sides[0], sides[1], sides[2]),
        spacing_mm=spacing_mm,
        scanner=scanners[number % len(scanners)],
        raters=RATERS,
    )
    bits = np.packbits(np.array([made.lesions, made.brain, *made.masks], bool))
    part = path.with_name(f".{path.name}")
    with part.open("wb") as file:
        np.savez_compressed(file, bits=bits, flair=made.images["FLAIR"], spacing_mm=spacing_mm)
    part.replace(path)
    return path


def heads(folder: Path, count: int, spacing_mm: float, workers: int) -> list[Path]:
    """Return the files of so many phantom heads."""
    folder.mkdir(parents=True, exist_ok=True)
    with get_context("spawn").Pool(workers) as pool:
        return pool.map(partial(painted, folder=folder, spacing_mm=spacing_mm), range(count), chunksize=1)


def of_head(path: Path) -> Case:
    """Read a phantom head."""
    with np.load(path) as kept:
        flair = kept["flair"]
        count = 2 + len(RATERS)
        whole = (
            np.unpackbits(kept["bits"], count=count * flair.size).astype(bool).reshape(count, *flair.shape)
        )
        sides = (float(kept["spacing_mm"]),) * 3
    return Case(path.stem, whole[0] & whole[1], whole[1], whole[2:], flair, sides)


def patients(cohort: Path) -> list[Path]:
    """Return the folders of a cohort in the layout of MSSEG-2016 with truth, as ``fastfuse demo --cohort`` writes it."""
    return sorted(cohort.glob("Training/*/*")) or sys.exit(f"{cohort}: {MISSING}")


def of_patient(folder: Path) -> Case:
    """Read a patient."""
    image = read(folder / "Preprocessed_Data" / "FLAIR_preprocessed.nii.gz")
    brain = read(folder / "Masks" / "Brain_Mask.nii.gz").data > 0
    truth = read(folder.parents[2] / "truth" / f"{folder.name}.nii.gz").data > 0
    masks = [read(path).data > 0 for path in sorted(folder.glob("Masks/ManualSegmentation_*.nii.gz"))]
    return Case(folder.name, truth & brain, brain, np.array(masks), image.data, image.grid.spacing_mm)


def read_all(paths: list[Path]) -> Iterator[Case]:
    """Yield the cases of files of heads, or folders of patients."""
    for path in paths:
        yield of_patient(path) if path.is_dir() else of_head(path)
