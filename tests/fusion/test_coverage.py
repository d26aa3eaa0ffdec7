"""How often intervals cover the true rates."""

from __future__ import annotations

import numpy as np

from .studies import covered, intervals_of, quiet, study


def test_information_covers() -> None:
    rng = np.random.default_rng(8)
    hits = []
    for _ in range(500):
        votes, sensitivity, specificity = study(rng)
        found = intervals_of(votes.astype(np.uint8), prior="estimate", intervals="information", threads=1)
        hits.append(covered(found, sensitivity, specificity))
    coverage = float(np.mean(hits))
    print(f"information covers {coverage:.4f} (sensitivity, specificity: {np.mean(hits, axis=(0, 2))})")
    assert 0.93 <= coverage <= 0.97


def test_bootstrap_covers() -> None:
    rng = np.random.default_rng(9)
    hits = []
    for _ in range(60):
        votes, sensitivity, specificity = study(rng)
        found = intervals_of(votes.astype(np.uint8), prior="estimate", intervals="bootstrap", threads=1)
        hits.append(covered(found, sensitivity, specificity))
    coverage = float(np.mean(hits))
    print(f"bootstrap covers {coverage:.4f} (sensitivity, specificity: {np.mean(hits, axis=(0, 2))})")
    assert 0.88 <= coverage <= 0.99


SIDE, CELL, LESIONS = 40, 5, 40


def whole_lesions(rng: np.random.Generator, missed: np.ndarray, false: float) -> np.ndarray:
    """Return masks of raters who miss whole lesions, and mark whole cubes where nothing is.

    The volume is made of cells of 5^3 voxels; a lesion is a cube of 2 to 4 voxels a side in one of them, so that no
    two touch. A rater finds it or not; what he finds, he marks voxel by voxel with probability 0.95.
    """
    cells = (SIDE // CELL) ** 3
    lesion = np.isin(np.arange(cells), rng.choice(cells, LESIONS, replace=False))
    place = np.stack(np.unravel_index(np.arange(cells), (SIDE // CELL,) * 3), axis=1) * CELL
    size = rng.integers(2, 5, cells)
    masks = np.zeros((len(missed), SIDE, SIDE, SIDE), np.uint8)
    for mask, miss in zip(masks, missed, strict=True):
        for cell in np.flatnonzero(rng.random(cells) < np.where(lesion, 1 - miss, false)):
            corner = place[cell]
            cube = tuple(slice(at, at + size[cell]) for at in corner)
            mask[cube] = rng.random((size[cell],) * 3) < 0.95
    return masks


@quiet  # raters who miss whole lesions are not what STAPLE takes them for
def test_lesions_cover_where_voxels_share_their_errors() -> None:
    rng = np.random.default_rng(10)
    missed = np.array([0.1, 0.15, 0.2, 0.25, 0.3])
    truth = 0.95 * (1 - missed)
    kinds = ("information", "lesions")
    hits, widths = np.zeros((2, 100, 5)), np.zeros((2, 100, 5))
    for sample in range(100):
        masks = list(whole_lesions(rng, missed, false=0.01))
        for k, kind in enumerate(kinds):
            found = intervals_of(masks, prior="estimate", intervals=kind, threads=1)
            hits[k, sample] = covered(found, truth, truth)[0]
            widths[k, sample] = np.diff(found.sensitivity)[:, 0]
    coverage, width = hits.mean(axis=(1, 2)), widths.mean(axis=(1, 2))
    print(f"{kinds} cover {coverage}, mean width {width}")
    assert width[1] > 2 * width[0]
    assert coverage[1] > coverage[0]
