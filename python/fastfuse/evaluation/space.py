"""Where voxels lie: a voxel's size, or its three steps where they are not at right angles, and its volume."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..inputs.checks import check_number, check_spacing
from ..inputs.libraries import place_of_image

RIGHT_ANGLE = 1e-6  # cosine below which two axes are at right angles; headers hold single precision
ROUNDING = 1e-5  # relative error of sides and volumes: headers hold single precision, or six digits of text


@dataclass(frozen=True)
class Space:
    """Steps from a voxel to the next along each axis.

    Attributes
    ----------
    spacing_mm : tuple of 3 float
        Length of each step, in mm.
    steps : ndarray of float64, shape (3, 3), or None
        The steps as columns, in mm, where they are not at right angles (a tilted gantry); None where they are.
    """

    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    steps: NDArray[np.float64] | None = None

    @classmethod
    def of_affine(cls, affine: ArrayLike, name: str = "the image") -> Space:
        """Return the space of an affine, (4, 4) or (3, 3): a rotation changes no distance, a shear does."""
        steps = np.asarray(affine, dtype=np.float64)[:3, :3]
        x, y, z = np.linalg.norm(steps, axis=0).tolist()
        if not np.isfinite(steps).all() or not abs(np.linalg.det(steps)) > 1e-6 * x * y * z:
            raise ValueError(
                f"{name}: its affine is not an invertible matrix of finite numbers; mend the header or give spacing_mm"
            )
        units = steps / (x, y, z)
        cosines = np.abs(units.T @ units - np.eye(3))
        return cls((x, y, z), steps if cosines.max() > RIGHT_ANGLE else None)

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel, in mm³: the determinant of its steps."""
        return math.prod(self.spacing_mm) if self.steps is None else float(abs(np.linalg.det(self.steps)))

    def places(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return voxels' places in mm, up to a shift and a rotation."""
        return np.asarray(
            indices * np.array(self.spacing_mm) if self.steps is None else indices @ self.steps.T
        )


def space_of(spacing_mm: Any, *, flat: bool = False) -> Space:
    """Return the space of a checked spacing; two numbers suffice for a slice, which is then 1 mm thick."""
    if flat and np.shape(spacing_mm) == (2,):
        sides = [
            check_number(side, f"spacing_mm[{axis}]", "a number above 0", lambda x: x > 0)
            for axis, side in enumerate(spacing_mm)
        ]
        return Space((sides[0], sides[1], 1.0))
    return Space(check_spacing(spacing_mm))


def space_in(images: Mapping[str, Any]) -> Space:
    """Return the space of the first image, by its name, that lies somewhere; 1 mm along each axis if there is none.

    Raises
    ------
    ValueError
        If that image does not tell its voxels' size in mm, or has an affine that cannot be.
    """
    unread = ""
    for name, image in images.items():
        place = place_of_image(image)
        if place is None:
            unread = unread or (name if getattr(image, "affine", None) is not None else "")
            continue
        in_mm = place.in_mm or set(place.sides or ()) == {1.0}  # of coordinates that are indices
        if in_mm and place.affine is not None:
            return Space.of_affine(place.affine, name)
        if in_mm and place.sides is not None and len(place.sides) == 2:
            return Space((*place.sides, 1.0))
        raise ValueError(f"{name} does not tell its voxels' size in mm: give spacing_mm")
    if unread:
        raise ValueError(
            f"{unread} has an affine that is no matrix of 4 x 4 numbers, as that of a batch: give spacing_mm"
        )
    return Space()
