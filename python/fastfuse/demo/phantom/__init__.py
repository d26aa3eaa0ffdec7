"""Synthetic whole-brain case of multiple sclerosis with several simulated raters.

Anatomy is drawn from signed distances (mm, negative inside) in an MNI-like RAS frame: x to the right, y to
the front, z up, origin near the anterior commissure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .geometry import grid, waver
from .head import draw_head
from .lesions import draw_lesions, make_disease
from .raters import FLIPS, RATERS, FlipStyle, RaterStyle, flipped, rate
from .scanners import SCANNERS, Scanner, scan
from .tissue import MODALITIES

__all__ = [
    "FLIPS",
    "MODALITIES",
    "RATERS",
    "SCANNERS",
    "Case",
    "FlipStyle",
    "RaterStyle",
    "Scanner",
    "Style",
    "make_case",
]


Style: TypeAlias = RaterStyle | FlipStyle


@dataclass(frozen=True)
class Case:
    """One patient: images, truth and raters, all on the same (nx, ny, nz) grid.

    Attributes
    ----------
    affine : ndarray of float64, shape (4, 4)
        Voxel index to RAS position in mm.
    images : dict of str to ndarray of int16
        One volume for each of `MODALITIES`.
    brain, lesions : ndarray of uint8
        Masks (0 or 1) of the brain and of the true lesions.
    masks : tuple of ndarray of uint8
        Each rater's lesion mask.
    votes : tuple of ndarray of float32
        Each rater's mask as votes 1, and 0.3 on the doubtful voxels outside the contour.
    """

    affine: NDArray[np.float64]
    images: dict[str, NDArray[np.int16]]
    brain: NDArray[np.uint8]
    lesions: NDArray[np.uint8]
    masks: tuple[NDArray[np.uint8], ...]
    votes: tuple[NDArray[np.float32], ...]


def make_case(
    seed: int,
    *,
    shape: tuple[int, int, int] = (182, 218, 182),
    spacing_mm: float = 1.0,
    scanner: Scanner = SCANNERS[0],
    raters: Sequence[Style] = RATERS,
) -> Case:
    """Make one patient with images, true lesions and the raters' masks.

    Parameters
    ----------
    seed : int
        Chooses anatomy, lesions, noise and the raters' random errors, not their habits.
    shape : tuple of int
        Number of voxels (nx, ny, nz).
    spacing_mm : float
        Voxel edge in mm; shape times spacing should be about 182 x 218 x 182 mm.
    scanner : Scanner
        Appearance of the images; has no effect on anatomy, lesions and masks.
    raters : sequence of RaterStyle, or of FlipStyle
        The raters' habits, one entry each.

    Returns
    -------
    Case
        The same arguments give the same bits.
    """
    affine, at = grid(shape, spacing_mm)
    anatomy = np.random.default_rng([seed, 0])
    at *= anatomy.uniform(0.97, 1.04, (3, 1, 1, 1)).astype(np.float32)
    at = waver(anatomy, at, 100.0, 1.2)
    head = draw_head(anatomy, at, spacing_mm)
    disease = make_disease(np.random.default_rng([seed, 1]), head)
    draw_lesions(head.paint, [*disease.lookalikes, *disease.lesions])
    truth = np.zeros(head.brain.size, dtype=np.uint8)
    for lesion in disease.lesions:
        flat, inside = lesion.spot
        truth[flat[inside > 0.0]] = 1
    images = scan(np.random.default_rng([seed, 2]), scanner, head)
    lesions = truth.reshape(shape)
    rated = [
        flipped(rng, style, lesions, head.brain)
        if isinstance(style, FlipStyle)
        else rate(rng, style, head, disease)
        for style, rng in ((style, np.random.default_rng([seed, 3, k])) for k, style in enumerate(raters))
    ]
    return Case(
        affine=affine,
        images=images,
        brain=head.brain.astype(np.uint8),
        lesions=lesions,
        masks=tuple(mask for mask, _ in rated),
        votes=tuple(votes for _, votes in rated),
    )
