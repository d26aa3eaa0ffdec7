"""Simulated raters, who draw contours or err voxel by voxel: their habits, and the masks and votes that they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .geometry import Noise
from .head import Head
from .lesions import REACH_MM, Disease

DOUBT = np.float32(0.3)


@dataclass(frozen=True)
class RaterStyle:
    """A rater's persistent habits."""

    name: str  #: the rater's main habit
    bias_mm: float  #: mean displacement of the contours, positive outwards
    smooth_mm: float  #: standard deviation of their smooth displacement
    slice_mm: float  #: standard deviation of their displacement between axial slices
    detect_mm3: float  #: volume of an ordinary lesion that is found with probability 1/2
    false_lesions: int  #: number of look-alikes outlined in every case
    doubt_mm: float  #: mean width of the doubtful rim outside the contour


RATERS: tuple[RaterStyle, ...] = (
    RaterStyle("good", 0.1, 0.5, 0.15, 25.0, 1, 0.5),
    RaterStyle("timid", -0.9, 0.4, 0.2, 60.0, 0, 1.0),
    RaterStyle("generous", 1.0, 0.5, 0.25, 25.0, 4, 0.6),
    RaterStyle("misses small lesions", 0.1, 0.5, 0.2, 400.0, 0, 0.6),
    RaterStyle("invents lesions", 0.3, 0.5, 0.3, 30.0, 14, 0.9),
    RaterStyle("sloppy", 0.2, 0.9, 0.8, 90.0, 5, 1.2),
    RaterStyle("careful", -0.2, 0.45, 0.2, 20.0, 2, 0.5),
)


@dataclass(frozen=True)
class FlipStyle:
    """A rater who errs voxel by voxel, each on its own, as STAPLE has it."""

    name: str
    sensitivity: float  #: probability to mark a voxel of a lesion
    specificity: float  #: probability to leave out another voxel of the brain


FLIPS: tuple[FlipStyle, ...] = (
    FlipStyle("good", 0.8, 0.999),
    FlipStyle("timid", 0.4, 0.9999),
    FlipStyle("generous", 0.9, 0.99),
    FlipStyle("misses much", 0.3, 0.999),
    FlipStyle("marks at random", 0.5, 0.98),
    FlipStyle("sloppy", 0.5, 0.998),
    FlipStyle("careful", 0.6, 0.9998),
)


def flipped(
    rng: np.random.Generator, style: FlipStyle, truth: NDArray[np.uint8], brain: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the mask and votes of a rater who errs voxel by voxel, inside the brain."""
    chance = np.where(truth == 1, style.sensitivity, 1 - style.specificity)
    mask = ((rng.random(truth.shape) < chance) & brain).astype(np.uint8)
    return mask, mask.astype(np.float32)


def rate(
    rng: np.random.Generator,
    style: RaterStyle,
    head: Head,
    disease: Disease,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return one rater's mask and votes."""
    shape = head.brain.shape
    perceived = np.full(head.brain.size, -2 * REACH_MM, dtype=np.float32)
    count = min(style.false_lesions, len(disease.lookalikes))
    picked = rng.choice(len(disease.lookalikes), count, replace=False)
    outlined = [disease.lookalikes[k] for k in picked]
    for lesion in disease.lesions:
        odds = 1.5 * np.log(lesion.volume / style.detect_mm3)
        odds += 4.0 * (lesion.contrast - 0.75) + lesion.conspicuity
        if rng.random() < 1.0 / (1.0 + np.exp(-odds)):
            outlined.append(lesion)
    for lesion in outlined:
        flat, inside = lesion.spot
        perceived[flat] = np.maximum(perceived[flat], inside)
    near = np.flatnonzero(perceived > -REACH_MM)
    at = head.at.reshape(3, -1)[:, near]
    slices = rng.normal(0.0, style.slice_mm, size=(shape[2],))
    shift = np.float32(style.bias_mm) + 0.45 * disease.blurred(at) + style.smooth_mm * Noise(rng, 16.0)(at)
    inside = perceived[near] + shift + slices[near % shape[2]]
    doubt = style.doubt_mm * (1.0 + Noise(rng, 12.0)(at))
    votes = np.zeros(head.brain.size, dtype=np.float32)
    votes[near[(inside <= 0.0) & (inside > -doubt)]] = DOUBT
    votes[near[inside > 0.0]] = 1.0
    return (votes == 1.0).astype(np.uint8).reshape(shape), votes.reshape(shape)
