"""Label maps as files: four raters of BraTS's labels, one of whom does not know label 4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

SHAPE = (14, 12, 8)
AFFINE = np.diag([1.0, 1.2, 3.0, 1.0])
LABELS = (0, 1, 2, 4)
NAMES = {0: "background", 1: "necrosis", 2: "edema", 4: "enhancing"}
TSV = (
    "index\tname\tcolor\n0\tbackground\t#000000\n1\tnecrosis\t#FF0000\n2\tedema\t#00ff00\n4\tenhancing\tn/a\n"
)


def truth() -> np.ndarray:
    labels = np.zeros(SHAPE, int)
    labels[2:9, 2:8, 1:6] = 2
    labels[4:8, 3:7, 2:5] = 1
    labels[9:12, 6:10, 4:7] = 4
    return labels


def raters(count: int = 4) -> list[np.ndarray]:
    """Return label maps of raters who err at random; the last one does not know label 4."""
    rng, true = np.random.default_rng(3), truth()
    maps = [np.where(rng.random(SHAPE) < 0.08, rng.choice(LABELS, SHAPE), true) for _ in range(count)]
    maps[-1][maps[-1] == 4] = 0
    return maps


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine, dtype=data.dtype), path)
    return path


def saved(
    folder: Path, kinds: Any = (np.uint8, np.int16, np.float32, np.int32), count: int = 4
) -> list[Path]:
    """Write the raters' maps, each in a type of its own."""
    return [
        save(folder / f"r{i}.nii.gz", labels.astype(kinds[i % len(kinds)]))
        for i, labels in enumerate(raters(count))
    ]


def load(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj)
