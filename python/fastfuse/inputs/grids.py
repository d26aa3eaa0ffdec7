"""Compares the grids of images: where their voxels lie."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import GridError
from .names import counted

SAME, NEAR = 1e-3, 0.1  # shifts in voxels: taken as none, and as one to be remarked
PLACELESS = (".npy", ".png", ".tif", ".tiff")  # formats that keep no place in space
NIFTI = (".nii", ".nii.gz", ".nii.bz2", ".hdr", ".img", ".hdr.gz", ".img.gz")
RESAMPLE = "resample one onto the other's grid"
ONE_WRONG = "one header is wrong, or they do not belong together"
FLAT = 1e-6  # of the box that an affine's steps would span at right angles: as much is no volume
MOST_APART = 100  # times: voxels of one case differ by less; a header's size that differs by more is wrong
STRAIGHT = 0.05  # degrees between axes that are taken for none
SHEAR = 0.01  # cosine of the angle of two axes up to which distances along them err by a hundredth at most


@dataclass(frozen=True)
class Grid:
    """Where an image's voxels lie.

    Attributes
    ----------
    name : str
        What messages call the image.
    shape : tuple of 3 int
    affine : ndarray of float64, shape (4, 4)
        Voxel indices to millimetres, RAS+.
    placed : bool
        Whether the header says where the image lies; if not, the affine is a guess.
    forms : mapping of str to ndarray
        The affines of a header that has several: "qform" and "sform" of NIfTI, in mm.
    unit : str
        What the header counts in; the affine is in mm all the same.
    codes : str
        Codes of the header that are not defined, and count as 0.
    assumed : str
        What was taken of the place where the header does not say it, or says what is not known.
    sized : bool
        Whether the header gives the size of the voxels.
    """

    name: str
    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    placed: bool = True
    forms: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    unit: str = "mm"
    codes: str = ""
    assumed: str = ""
    sized: bool = True

    @property
    def voxel_mm(self) -> NDArray[np.float64]:
        """Voxel size along each axis, in mm."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), dtype=np.float64)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along each axis, in mm, for distances along them.

        Raises
        ------
        GridError
            If the axes are not at right angles: distances are then other than these sizes tell.
        """
        if self.sheared:
            raise GridError(
                f"{self.name}: its axes are not at right angles (a tilted gantry?), so that distances in mm along them "
                "are wrong: leave out what is given in mm, and mrf (--mrf), or, as for border-staple and the margin that it "
                "has by itself, resample all images onto an upright grid"
            )
        x, y, z = self.voxel_mm.tolist()
        return x, y, z

    @property
    def sheared(self) -> bool:
        """Whether the axes are not at right angles."""
        units = self.affine[:3, :3] / self.voxel_mm
        return bool(np.abs(units.T @ units - np.eye(3)).max() > SHEAR)

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel, in mm³: the determinant, which holds for axes at any angle."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def known(self) -> bool:
        """Whether the header says where the image lies, and how large its voxels are."""
        return self.placed and self.sized

    @property
    def looks_like_none(self) -> bool:
        """Whether the affine may stand for none: straight axes from 0, 0, 0, as programs write that know no place."""
        sides = self.affine[:3, :3]
        straight = np.array_equal(np.abs(sides), np.diag(np.abs(np.diag(sides))))
        return not self.known or (straight and not self.affine[:3, 3].any())

    @property
    def has_no_place(self) -> bool:
        """Whether it is a file of a format that cannot say where it lies."""
        return not self.placed and self.name.lower().endswith(PLACELESS)

    @property
    def corners(self) -> NDArray[np.float64]:
        """The eight corners of the volume in mm, (8, 3)."""
        return corners(self.shape, self.affine)


def corners(shape: tuple[int, ...], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the eight corners of a volume in mm, (8, 3)."""
    box = np.array(list(itertools.product(*[(-0.5, extent - 0.5) for extent in shape])))
    return np.asarray(box @ affine[:3, :3].T + affine[:3, 3], dtype=np.float64)


def check_same_grid(first: Grid, other: Grid) -> str | None:
    """Compare two grids by the corners of their volumes; nothing is ever resampled silently.

    A shift of at most 0.001 of the smallest voxel side counts as none; one of up to 0.1 passes with a remark,
    which is returned.

    Raises
    ------
    GridError
        With both names, both shapes, the shift in mm and voxels, and the remedy; an axis that is flipped or
        exchanged is named.
    """
    if first.shape == other.shape and (voxels := shift_of(first, other)) <= NEAR:
        return None if voxels <= SAME else near(first, other, voxels)
    raise GridError(difference(first, other))


def shift_of(first: Grid, other: Grid) -> float:
    """Return how far two grids of one shape lie apart at the most, in voxels of the first."""
    shift = float(np.linalg.norm(other.corners - first.corners, axis=1).max())
    return shift / float(first.voxel_mm.min())


def near(first: Grid, other: Grid, voxels: float) -> str:
    """Say that two grids lie nearly at one place."""
    shift = voxels * float(first.voxel_mm.min())
    return f"{other.name} and {first.name} lie {shift:.3g} mm ({counted(voxels, 'voxel', '.2g')}) apart: taken as one grid"


def difference(first: Grid, other: Grid, otherwise: str = "") -> str:
    """Say how two grids differ, and what to do; ``otherwise`` is one more remedy than to resample."""
    names = f"{other.name} and {first.name}"
    turned, boxes = _turned_axes(first, other), _distance_of_boxes(first, other)
    if turned and boxes <= NEAR * first.voxel_mm.min():
        return (
            f"{names} cover the same box, but {turned}: reorient one of them, e.g. both with "
            "nibabel.as_closest_canonical or SimpleITK.DICOMOrient"
        )
    doubt = (
        moved_form(first, other)
        or two_places(first, other)
        or affine_lost(first, other)
        or _other_unit(first, other)
    )
    sizes = sizes_apart(first, other)
    wrong = f"{sizes}; if both are right, " if sizes else ""
    rest = assumptions(first, other)
    if not doubt and not meet(first, other):
        return f"{names} have no voxel in common{_and(turned)}: {sizes or ONE_WRONG}{rest}"
    remedy = f"{doubt or f'{wrong}{RESAMPLE}{otherwise}'}{rest}"
    if turned and not (doubt or wrong) and boxes < first.voxel_mm.min():
        return f"{names} cover boxes that lie {boxes:.3g} mm apart{_and(turned)}: {remedy}"
    lattices = [] if doubt or wrong else _lattices_apart(first, other)
    if first.shape != other.shape:
        what = ", and ".join([f"shapes {other.shape} and {first.shape}", *lattices])
        return f"{names} have {what}{_and(turned)}: {remedy}"
    moved = other.corners - first.corners
    shift = float(np.linalg.norm(moved, axis=1).max())
    voxels = float(np.linalg.norm(moved @ np.linalg.inv(first.affine[:3, :3]).T, axis=1).max())
    apart = f"{names} have the shape {first.shape}, but lie {shift:.3g} mm ({counted(voxels, 'voxel', '.3g')}) apart"
    apart += f", and have {', and '.join(lattices)}" if lattices else ""
    if not doubt and (turned or _by_whole_voxels(first, other)):
        return f"{apart}{_and(turned)}: one header is wrong, or the images do not belong together{rest}"
    return f"{apart}{_and(turned)}: {remedy}"


def _lattices_apart(first: Grid, other: Grid) -> list[str]:
    """Say in what two lattices differ: the voxels' size, the axes' directions, or how far from whole voxels they lie."""
    if not (first.known and other.known):
        return []
    pair = (other, first)
    found = []
    if not np.allclose(np.sort(other.voxel_mm), np.sort(first.voxel_mm), rtol=1e-3):
        sizes = (" x ".join(f"{side:.4g}" for side in grid.voxel_mm) for grid in pair)
        found.append(f"voxels of {' and '.join(sizes)} mm")
    one, two = (grid.affine[:3, :3] / grid.voxel_mm for grid in (first, other))
    turn = one.T @ two
    cosine = (
        np.abs(turn).max(axis=0)
    ).min()  # of the axes that are most apart, whatever their order and direction
    degrees = float(np.degrees(np.arccos(min(cosine, 1.0))))
    if degrees > STRAIGHT:
        found.append(f"axes {degrees:.2g} degrees apart")
    if not found and first.shape != other.shape:  # of one shape, the corners tell it
        at = np.linalg.solve(first.affine[:3, :3], other.affine[:3, 3] - first.affine[:3, 3])
        off = float(np.linalg.norm(first.affine[:3, :3] @ (at - np.rint(at))))
        if off > NEAR * first.voxel_mm.min():
            found.append(f"origins {off:.3g} mm off a whole number of voxels")
    return found


def meet(first: Grid, other: Grid) -> bool:
    """Tell whether two volumes may have half a voxel in common, along the axes of either."""
    for one, two in ((first, other), (other, first)):
        at = (two.corners - one.affine[:3, 3]) @ np.linalg.inv(one.affine[:3, :3]).T
        common = np.minimum(at.max(axis=0), np.array(one.shape) - 0.5) - np.maximum(at.min(axis=0), -0.5)
        if common.min() < 0.5 * min(1.0, float(np.ptp(at, axis=0).min())):
            return False
    return True


def assumptions(*grids: Grid) -> str:
    """Say what was taken of these places that their headers do not say; nothing if they say all."""
    return "".join(
        f"; of {grid.name}: {grid.assumed}; if that is wrong, correct its header"
        for grid in grids
        if grid.assumed
    )


def _by_whole_voxels(first: Grid, other: Grid) -> bool:
    """Tell whether two grids of one shape differ by whole voxels alone, which resampling would leave apart."""
    step = np.linalg.pinv(first.affine) @ other.affine
    offset = step[:3, 3]
    along = bool(np.abs(step[:3, :3] - np.eye(3)).max() * max(first.shape) <= NEAR)
    return along and bool(np.abs(offset - np.rint(offset)).max() <= NEAR)


def moved_form(first: Grid, other: Grid) -> str | None:
    """Say which header's qform and sform disagree, if two images of one shape fit by the form that is not used."""
    for use in ("qform", "sform"):
        if use not in first.forms and use not in other.forms:
            continue
        one, two = (replace(grid, affine=grid.forms.get(use, grid.affine)) for grid in (first, other))
        if one.shape == two.shape and shift_of(one, two) <= NEAR:
            moved = [grid for grid in (other, first) if _distance_of_forms(grid) > NEAR * grid.voxel_mm.min()]
            if not moved:
                continue
            names = " and ".join(grid.name for grid in moved)
            unused = "sform" if use == "qform" else "qform"
            return (
                f"by the {use} they are one grid; qform and sform of {names} lie "
                f"{max(map(_distance_of_forms, moved)):.3g} mm apart, as if a registration had moved one: if the "
                f"{use} is right, write it into the {unused} too, or, where the {use} of all files is right, pass "
                f"use='{use}' (--use {use})"
            )
    return None


def two_places(first: Grid, other: Grid) -> str | None:
    """Say whose header gives two places, its qform and its sform."""
    told = [
        (grid, shift)
        for grid in (other, first)
        if (shift := _distance_of_forms(grid)) > NEAR * grid.voxel_mm.min()
    ]
    if len(told) == 2 and first.shape == other.shape:  # and no form makes one grid of both: see moved_form
        return (
            f"qform and sform of {other.name} and of {first.name} lie apart, and by neither they are one grid: each needs "
            "another form, so write the right affine into both forms of each"
        )
    for grid, shift in told:
        return (
            f"qform and sform of {grid.name} lie {shift:.3g} mm apart; say which is right by use='qform' (--use "
            "qform) or use='sform' (--use sform)"
        )
    return None


def affine_lost(first: Grid, other: Grid) -> str | None:
    """Say whose affine looks like none, if two grids differ."""
    for grid, right in ((other, first), (first, other)):
        copy = (
            f"if the voxels match, copy the affine of {right.name}"
            if grid.shape == right.shape
            else "save it again with its place in space"
        )
        if grid.has_no_place:
            return _of_format(grid, right)
        if not grid.sized:
            place = "" if grid.placed else ", and does not say where it lies"
            return f"the header of {grid.name} gives no voxel size{place}; write it there"
        if not grid.placed:
            why = f": {grid.codes}" if grid.codes else ""
            codes = f" (qform and sform codes are 0, or not defined{why})" if _is_nifti(grid) else ""
            return f"the header of {grid.name} does not say where it lies{codes}; {copy}"
        if grid.looks_like_none:
            identity = np.array_equal(np.abs(grid.affine), np.eye(4))
            what = "the identity" if identity else "straight, its first voxel at 0, 0, 0"
            return f"the affine of {grid.name} is {what}, which looks like none; {copy}"
    return None


def _is_nifti(grid: Grid) -> bool:
    return bool(grid.codes) or grid.name.lower().endswith(NIFTI)


def _of_format(grid: Grid, right: Grid) -> str:
    """Say what can be done with a file whose format keeps no place."""
    if grid.shape != right.shape:
        if sorted(grid.shape) == sorted(right.shape):
            return f"the axes of {grid.name} are in another order: transpose it"
        return f"{grid.name} keeps no place in space, so it must have the shape of {right.name}"
    return f"{grid.name} keeps no place in space"


def _other_unit(first: Grid, other: Grid) -> str | None:
    """Say which units two headers count in, if these differ."""
    if first.unit == other.unit:
        return None
    return (
        f"the header of {other.name} counts in {other.unit}, that of {first.name} in {first.unit}: correct the unit "
        "that is wrong"
    )


def sizes_apart(first: Grid, other: Grid) -> str:
    """Say that the voxels of two images differ in size as no images of one case do; nothing if they do not."""
    ratio = np.sort(other.voxel_mm) / np.sort(first.voxel_mm)
    if max(ratio.max(), 1 / ratio.min()) <= MOST_APART:
        return ""
    one, two = (" x ".join(f"{side:.3g}" for side in grid.voxel_mm) for grid in (other, first))
    return (
        f"voxels of {other.name} measure {one} mm, those of {first.name} {two} mm, more than {MOST_APART} times apart: one "
        "header's voxel size is likely wrong, so mend it"
    )


def _distance_of_forms(grid: Grid) -> float:
    """Return how far qform and sform lie apart, in mm; 0 if the header does not have both."""
    return distance_of_affines(grid.shape, list(grid.forms.values()))


def distance_of_affines(shape: tuple[int, ...], affines: list[NDArray[np.float64]]) -> float:
    """Return how far two affines put a volume's corners apart, in mm; 0 for fewer."""
    if len(affines) < 2:
        return 0.0
    apart = corners(shape, affines[0]) - corners(shape, affines[1])
    return float(np.linalg.norm(apart, axis=1).max())


def _and(turned: str) -> str:
    return f", and {turned}" if turned else ""


def _turned_axes(first: Grid, other: Grid) -> str:
    """Name flipped and exchanged axes; return nothing if there are none, or if the volume is turned obliquely."""
    step = np.linalg.pinv(first.affine) @ other.affine  # voxel steps of `other` in voxels of `first`
    direction = step[:3, :3] / np.linalg.norm(step[:3, :3], axis=0)
    signs = np.rint(direction).astype(int)
    if not np.array_equal(np.abs(signs).sum(axis=0), [1, 1, 1]) or not np.array_equal(
        np.abs(signs).sum(axis=1), [1, 1, 1]
    ):
        return ""
    flipped = [axis for axis in range(3) if signs[axis, axis] == -1]
    exchanged = [axis for axis in range(3) if signs[axis, axis] == 0]
    parts = [_axes_are(axes, what) for axes, what in ((flipped, "flipped"), (exchanged, "exchanged")) if axes]
    return " and ".join(parts)


def _distance_of_boxes(first: Grid, other: Grid) -> float:
    """Return how far the corners of two boxes are apart, whatever the order of their axes, in mm."""
    apart = np.linalg.norm(other.corners[:, None] - first.corners, axis=2)
    return float(max(apart.min(axis=0).max(), apart.min(axis=1).max()))


def _axes_are(axes: list[int], what: str) -> str:
    return (
        f"axis {axes[0]} is {what}"
        if len(axes) == 1
        else f"axes {', '.join(map(str, axes[:-1]))} and {axes[-1]} are {what}"
    )
