"""A small case as files: FLAIR, brain and raters with long names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from ..command import run_here

SHAPE = (22, 24, 16)
AFFINE = np.diag([1.0, 1.2, 3.0, 1.0])
MASKS = [f"ManualSegmentation_{i}.nii.gz" for i in range(1, 5)]
FLOAT = r"[0-9]+\.[0-9]+"


def save(path: Path, data: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(data, AFFINE), path)
    return path


def load(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj)


def case_in(folder: Path) -> Path:
    """Write four masks, probabilities, FLAIR and a brain mask; the masks reach beyond the brain."""
    rng = np.random.default_rng(0)
    truth = ndimage.gaussian_filter(rng.normal(size=SHAPE), 2) > 0.12
    for i, name in enumerate(MASKS):
        flipped = truth ^ (rng.random(SHAPE) < 0.02 + 0.02 * i)
        save(folder / name, flipped.astype(np.uint8))
        soft = np.clip(ndimage.gaussian_filter(flipped.astype(float), 0.7), 0, 1)
        save(folder / f"network_{i}.nii.gz", soft.astype(np.float32))
    image = ndimage.gaussian_filter(truth * 400.0, 1) + rng.normal(300, 20, SHAPE)
    save(folder / "flair.nii.gz", image.astype(np.int16))
    brain = np.zeros(SHAPE, np.uint8)
    brain[2:20, 2:22, 1:15] = 1
    save(folder / "brain.nii.gz", brain)
    return folder


def ran(folder: Path, *words: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run the command, in a process of its own where streams or variables are given."""
    columns = more.pop("columns", None)
    if not more:
        return run_here(folder, *map(str, words), columns=columns or 80)
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    if columns:
        environment["COLUMNS"] = str(columns)
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    command = [sys.executable, "-m", "fastfuse", *map(str, words)]
    environment.update(given.pop("env", {}))
    return subprocess.run(command, cwd=folder, env=environment, text=True, check=False, timeout=300, **given)


def row_of(printed: str, first: str) -> list[str]:
    """Return the cells of a table's row; an × is left out."""
    line = next(line for line in printed.splitlines() if line.strip().startswith(first))
    return re.split(r"\s+(?:× )?", line.strip().removeprefix(first).strip())


def colours_in(image: Any) -> int:
    """Return how many colours a picture has, (rows, columns, 4) of 8 bits that are read as floats."""
    return len(np.unique(np.uint8(image * 255 + 0.5).view(np.uint32)))
