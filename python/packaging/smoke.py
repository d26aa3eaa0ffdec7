"""Tells whether an installed fastfuse works: python python/packaging/smoke.py, in any folder and environment.

Fuses random votes by the core and by the reference in plain NumPy, writes and fuses a file, and runs the command.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np

import fastfuse


def core() -> None:
    """Hold the core to the reference."""
    rng = np.random.default_rng(0)
    truth = rng.random((12, 13, 14)) < 0.3
    masks = [np.where(rng.random(truth.shape) < 0.9, truth, ~truth).astype(np.uint8) for _ in range(5)]
    soft = [np.clip(0.1 + 0.8 * mask + rng.normal(0, 0.05, mask.shape), 0, 1) for mask in masks]
    for votes, method in ((masks, "staple"), (soft, "soft-staple")):
        found = fastfuse.fuse(votes, method)
        wanted = fastfuse.reference.fuse(np.stack(votes), method=method)
        np.testing.assert_allclose(found.probability, wanted.probability, atol=1e-6)
        np.testing.assert_allclose(found.sensitivity, wanted.sensitivity, atol=1e-6)
    one, four = (fastfuse.soft_staple(soft, threads=threads).probability for threads in (1, 4))
    assert np.array_equal(one, four)
    with ThreadPoolExecutor(8) as callers:  # at once, where there is no global lock
        found_at_once = list(callers.map(lambda _: fastfuse.soft_staple(soft).probability, range(32)))
    assert all(np.array_equal(one, probability) for probability in found_at_once)


def files(folder: Path) -> None:
    """Fuse files by the command."""
    for number in range(3):
        mask = np.zeros((10, 10, 10), np.uint8)
        mask[2 : 7 + number, 2:8, 2:8] = 1
        nib.save(nib.Nifti1Image(mask, np.eye(4)), folder / f"rater{number}.nii.gz")
    command = Path(sysconfig.get_path("scripts")) / "fastfuse"
    raters = [str(folder / f"rater{number}.nii.gz") for number in range(3)]
    for words in (["--version"], ["doctor"], ["fuse", *raters, "-o", str(folder / "consensus.nii.gz")]):
        subprocess.run([str(command), *words], check=True, timeout=300)
    assert nib.load(folder / "consensus.nii.gz").shape == (10, 10, 10)


def main() -> None:
    """Check, and say where the package lies."""
    core()
    with tempfile.TemporaryDirectory() as folder:
        files(Path(folder))
    free_threaded = not getattr(sys, "_is_gil_enabled", lambda: True)()
    gil = ", without the global lock" if free_threaded else ""
    print(f"fastfuse {fastfuse.__version__} works: {fastfuse.__file__}, Python {sys.version.split()[0]}{gil}")


if __name__ == "__main__":
    main()
