"""Where the frames of a DICOM segmentation lie: on one lattice, or they are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError
from ..paths import shown

MOST_SLICES = 1 << 20
NEAR = 0.01  # of a slice, or of a pixel: further a frame must not lie from the lattice


@dataclass(frozen=True)
class Lattice:
    """Where the frames lie: the place of each along the normal, and the affine to RAS+ mm."""

    places: NDArray[np.int64]
    affine: NDArray[np.float64]
    rows: int
    columns: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the volume, (x, y, z)."""
        return self.columns, self.rows, int(self.places.max()) + 1


def group_of(found: Any, frame: Any, name: str) -> Any:
    """Return what a frame, or all frames together, say of something."""
    if name in frame:
        return frame[name].value[0]
    return found.SharedFunctionalGroupsSequence[0][name].value[0]


def lattice_of(path: Path, found: Any) -> Lattice:
    """Return where the frames lie; refuse those that lie on no lattice."""
    frames = found.get("PerFrameFunctionalGroupsSequence") or []
    if not frames or ("PlanePositionSequence" not in frames[0] and "TotalPixelMatrixRows" in found):
        raise ImageError(
            f"{shown(path)}: its frames have no place in a volume (a tiled slide?); convert it to NIfTI first"
        )
    turns = np.array(
        [group_of(found, one, "PlaneOrientationSequence").ImageOrientationPatient for one in frames], float
    )
    origins = np.array(
        [group_of(found, one, "PlanePositionSequence").ImagePositionPatient for one in frames], float
    )
    if turns.shape[1:] != (6,) or origins.shape[1:] != (3,) or not np.allclose(turns, turns[0], atol=1e-4):
        raise ImageError(
            f"{shown(path)}: its frames are turned against each other; convert it to NIfTI first"
        )
    across, down = turns[0, :3], turns[0, 3:]
    if np.abs([across @ across - 1, down @ down - 1, across @ down]).max() > 1e-2:
        raise ImageError(
            f"{shown(path)}: its rows and columns are not at right angles, or of no length 1 (ImageOrientationPatient is "
            f"{', '.join(f'{float(one):.3g}' for one in turns[0])}): correct that"
        )
    measures = group_of(found, frames[0], "PixelMeasuresSequence")
    height, width = _pixel_of(path, found, frames)
    normal = np.cross(across, down)
    along = origins @ normal
    spacing = _spacing(path, measures, np.unique(np.round(along, 5)))
    steps = (along - along.min()) / spacing
    places = np.rint(steps).astype(np.int64)
    first = origins[int(along.argmin())]
    beside = np.abs(origins - first - np.outer(along - along.min(), normal)).max(axis=1)
    if beside.max() > NEAR * min(height, width):
        raise ImageError(
            f"{shown(path)}: frame {int(beside.argmax()) + 1} lies {beside.max():.3g} mm beside the line of the others "
            "(ImagePositionPatient): its place is wrong, or the slices are sheared; write it again, or convert it to NIfTI"
        )
    if np.abs(steps - places).max() > NEAR or places.max() >= MOST_SLICES:
        raise ImageError(f"{shown(path)}: {_uneven(along, spacing)}")
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([across * width, down * height, normal * spacing])
    affine[:3, 3] = first
    return Lattice(places, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, int(found.Rows), int(found.Columns))


def _pixel_of(path: Path, found: Any, frames: Sequence[Any]) -> tuple[float, float]:
    """Return height and width of a pixel; refuse frames of several sizes."""
    sides = np.array([group_of(found, one, "PixelMeasuresSequence").PixelSpacing for one in frames], float)
    other = np.flatnonzero(~np.isclose(sides, np.median(sides, axis=0), rtol=1e-4).all(axis=1))
    if other.size:
        odd, usual = (
            " x ".join(f"{side:.6g}" for side in one) for one in (sides[other[0]], np.median(sides, axis=0))
        )
        raise ImageError(
            f"{shown(path)}: the pixels of frame {int(other[0]) + 1} measure {odd} mm (PixelSpacing), those of the others "
            f"{usual} mm: correct it, or convert the file to NIfTI"
        )
    return float(sides[0, 0]), float(sides[0, 1])


def _uneven(along: NDArray[np.float64], spacing: float) -> str:
    """Say why slices do not fit their spacing: the header's contradicts them, or they lie unevenly."""
    gaps = np.diff(np.unique(np.round(along, 5)))
    steps = gaps / gaps.min()
    if np.abs(steps - np.rint(steps)).max() <= NEAR:
        return f"its frames lie {gaps.min():.3g} mm apart, and SpacingBetweenSlices is {spacing:g} mm: one of both is wrong; correct it"
    return f"its slices are not evenly spaced (every {spacing:g} mm); resample it first"


def _spacing(path: Path, measures: Any, places: NDArray[np.float64]) -> float:
    """Return the distance between slices: as given, else the smallest between two, else the thickness."""
    gap = float(np.diff(places).min()) if len(places) > 1 else None
    given = measures.get("SpacingBetweenSlices") or gap or measures.get("SliceThickness")
    spacing = abs(float(given)) if given is not None else 0.0
    if not 0 < spacing < float("inf"):
        raise ImageError(
            f"{shown(path)}: it does not say how far its slices lie apart; convert it to NIfTI first"
        )
    return spacing
