"""A phantom of eight structures, and five raters who outline them: one does not know all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .phantom.geometry import Noise, Volume, blend, ellipsoid, tube, waver

SHAPE, SPACING_MM = (100, 80, 64), 3.0
NAMES = {
    0: "background", 1: "liver", 2: "spleen", 3: "right kidney", 4: "left kidney", 5: "stomach", 6: "pancreas", 7: "aorta",
    8: "liver lesion",
}  # fmt: skip
COLOURS = {
    0: "#000000", 1: "#b5542b", 2: "#7a4fa3", 3: "#2f9e8f", 4: "#7fd1c4", 5: "#e6b34a", 6: "#f2e394", 7: "#d7263d",
    8: "#4caf50",
}  # fmt: skip
UNKNOWN = 8
LESIONS = ((62, 10, 40, 10), (40, -12, 24, 8), (80, -6, 20, 7))  # centres and radii, mm
Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class RaterStyle:
    """A rater's habits."""

    name: str
    bias_mm: float  #: mean displacement of borders, positive outwards
    smooth_mm: float  #: standard deviation of their smooth displacement
    confused: tuple[tuple[int, int, float], ...] = ()  #: a label, what it is taken for, in which share of it
    knows_all: bool = True  #: whether they know lesions, which are liver to them otherwise


RATERS = (
    RaterStyle("anna", 0.0, 0.6, ((8, 1, 0.2),)),
    RaterStyle("bert", -0.6, 0.8, ((8, 1, 0.35), (6, 0, 0.1))),
    RaterStyle("carla", 0.6, 0.8, ((6, 5, 0.25), (4, 2, 0.1))),
    RaterStyle("dora", 0.2, 1.2, ((8, 1, 0.4), (2, 5, 0.15), (6, 0, 0.2))),
    RaterStyle("network", 0.0, 0.6, (), knows_all=False),
)


@dataclass(frozen=True)
class LabelCase:
    """Truth and the raters' label maps, on one grid."""

    affine: NDArray[np.float64]
    truth: Labels
    maps: tuple[Labels, ...]


def make_label_case(
    seed: int = 0, *, shape: tuple[int, int, int] = SHAPE, spacing_mm: float = SPACING_MM
) -> LabelCase:
    """Make one patient's label maps; the same arguments give the same bits."""
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = -spacing_mm * np.array(shape) / 2
    axes = [start + spacing_mm * np.arange(n) for start, n in zip(affine[:3, 3], shape, strict=True)]
    at = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    anatomy = np.random.default_rng([seed, 0])
    distances = _organs(waver(anatomy, at, 90.0, 3.0))
    truth = _nearest(distances)
    maps = tuple(
        _rated(np.random.default_rng([seed, 1, k]), style, at, distances) for k, style in enumerate(RATERS)
    )
    return LabelCase(affine, truth, maps)


def _organs(at: Volume) -> dict[int, Volume]:
    """Return the distance (mm, negative inside) to each structure; x to the left, y to the front, z up."""
    liver = blend(ellipsoid(at, (58, 5, 30), (55, 50, 42)), ellipsoid(at, (12, 25, 34), (42, 28, 24)), 12.0)
    stomach = tube(at, [(-40, 15, 48, 26), (-52, 25, 16, 22), (-28, 38, -4, 15), (-4, 32, -6, 11)])
    pancreas = tube(at, [(8, 12, -12, 11), (-14, 16, -4, 8), (-40, -4, 4, 7), (-62, -16, 14, 6)])
    found = {
        1: liver,
        2: ellipsoid(at, (-88, -28, 38), (22, 34, 34)),
        3: ellipsoid(at, (58, -52, -26), (19, 17, 34)),
        4: ellipsoid(at, (-58, -50, -14), (19, 17, 34)),
        5: stomach,
        6: np.maximum(pancreas, -stomach),
        7: tube(at, [(-8, -42, 90, 11), (-6, -38, 0, 10), (-3, -36, -90, 9)]),
        8: np.minimum.reduce([ellipsoid(at, centre, (radius,) * 3) for *centre, radius in LESIONS]),
    }
    found[1] = np.maximum(liver, -found[8])
    for label in (3, 4):
        found[label] = np.maximum(found[label], -found[6])
    return found


def _nearest(distances: dict[int, Volume]) -> Labels:
    """Return the structure that a voxel lies deepest in; background outside all."""
    deepest = np.zeros_like(next(iter(distances.values())))
    labels = np.zeros(deepest.shape, np.uint8)
    for label, distance in distances.items():
        labels[distance < deepest] = label
        np.minimum(deepest, distance, out=deepest)
    return labels


def _rated(rng: np.random.Generator, style: RaterStyle, at: Volume, distances: dict[int, Volume]) -> Labels:
    """Return a rater's label map: displaced borders, and patches of one label taken for another."""
    moved = {
        label: distance - np.float32(style.bias_mm) + np.float32(style.smooth_mm) * Noise(rng, 30.0)(at)
        for label, distance in distances.items()
    }
    labels = _nearest(moved)
    for label, taken, share in style.confused:
        inside = labels == label
        if inside.any():
            patches = Noise(rng, 25.0)(at)
            labels[inside & (patches > np.quantile(patches[inside], 1 - share))] = taken
    if not style.knows_all:
        labels[labels == UNKNOWN] = 1
    return labels
