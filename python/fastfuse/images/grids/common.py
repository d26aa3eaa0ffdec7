"""Places a job's images on one grid: pads, turns and crops them by whole voxels; resamples only on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import GridError
from ...inputs.doubts import COVERING, between, by_file, doubt_of, moved
from ...inputs.grids import ONE_WRONG, SAME, Grid, assumptions, meet, near, shift_of, sizes_apart
from ...inputs.lattice import Box, Fit, fit_of
from ...inputs.names import one_remark
from ...inputs.nearest import marked_beyond, resampled
from ..image import Image
from ..paths import names_of, recorded, shown, without_guess
from ..placing import AS_IT_IS, Kind, Placing
from ..reading import read
from ..wanted import Wanted
from .boxes import box_of_all, file_of, holds_crops_alone, nothing, one_grid
from .chosen_form import with_form
from .words import PADDED, beyond_crops, called, not_zero, on_frames, units_in_words


@dataclass
class Common:
    """The grid that all images of a job get.

    Attributes
    ----------
    like : Image
        Has its shape, affine, header and codes.
    file : Path or None
        The file whose grid it is; None for a box that holds several.
    placing : Placing
    remarks : list of str
        Doubts about how the images lie to each other.
    joined : bool
        Whether it was made to hold all masks, so that they have been compared with each other.
    crops : bool
        Whether no file tells how far the volume reaches, if any is padded.
    moved : list of (str, str)
        What was done, and the name of the file.
    names : mapping of Path to str
        What messages call the files, where several have one name.
    """

    like: Image
    file: Path | None
    placing: Placing
    remarks: list[str] = field(default_factory=list)
    joined: bool = False
    crops: bool = False
    moved: list[tuple[str, str]] = field(default_factory=list)
    names: Mapping[Path, str] = field(default_factory=dict)

    @classmethod
    def of(cls, images: Sequence[Image], kinds: Sequence[Kind], placing: Placing) -> Common:
        """Return the grid for images that have been read: one that is named, the image's, or the box of all masks.

        Raises
        ------
        ImageError, GridError
            Naming what cannot be read, or does not lie on one lattice.
        """
        if "votes" not in kinds:
            raise ValueError("no raters: give at least one file")
        if placing.grid is not None:
            named = next((image for image in images if image.path == placing.grid), None)
            return cls.named(named, placing)
        fixed = next((image for image, kind in zip(images, kinds, strict=True) if kind == "image"), None)
        if fixed is None:
            return cls._of_masks(images, kinds, placing)
        like = images[0] if one_grid(fixed.grid, images[0].grid) and not images[0].drawn else fixed
        return cls(_without_voxels(like), like.path, placing)

    @classmethod
    def _of_masks(cls, images: Sequence[Image], kinds: Sequence[Kind], placing: Placing) -> Common:
        """Return the smallest grid that holds all masks, on the lattice of the first."""
        named = sorted(zip(images, kinds, strict=True), key=lambda pair: pair[0].drawn)
        parts = [image for image, kind in named if kind in ("votes", "present")]
        regions = [image for image, kind in named if kind == "mask"]
        first = parts[0]
        box, remarks = box_of_all(parts, regions, chosen=placing.use is not None)
        joined = box.shape != first.data.shape
        like = _without_voxels(first)
        if joined:
            like = replace(like, data=nothing(box.shape, first.data.dtype), affine=box.affine(first.affine))
        if first.drawn:  # on the grid of the mask, whose header counts
            like = replace(regions[0], data=like.data, affine=like.affine)
        files = [one for one in (*parts, *regions) if not one.drawn]
        file = file_of(like.grid, files) if joined or first.drawn else first.path
        votes = [image for image, kind in named if kind == "votes"]
        others = [image for image, kind in named if kind in ("present", "mask")]
        crops = not regions and holds_crops_alone(like.grid, votes, others)
        return cls(like, file, placing, remarks, joined=joined, crops=crops)

    @classmethod
    def named(cls, image: Image | None, placing: Placing) -> Common:
        """Return the grid of a file that was named; ``image`` is it, if it has been read."""
        assert placing.grid is not None
        asked = Wanted(use=placing.use, offers_use=True)
        found = with_form(read(placing.grid, wanted=asked), placing.use) if image is None else image
        return cls(_without_voxels(found), placing.grid, placing)

    @classmethod
    def of_image(cls, image: Image, placing: Placing) -> Common:
        """Return the grid of an image that masks grow on, unless another is named."""
        if placing.grid is not None:
            return cls.named(image if image.path == placing.grid else None, placing)
        return cls(image, image.path, placing)

    @property
    def name(self) -> str:
        """What messages call the grid."""
        if self.file is not None:
            return f"the grid of {called(self.file, self.names)}"
        return f"the box that holds all, of {' x '.join(map(str, self.like.data.shape))} voxels"

    def place(self, image: Image, kind: Kind = "votes") -> tuple[Image, str | None]:
        """Return an image on this grid, and a remark if it lies a little beside it.

        Raises
        ------
        GridError
            If its voxels lie between those of the grid and nothing else was asked for, if it is an image or a prior
            that does not cover the grid, or if marked voxels would be lost.
        """
        image = self._with_size(image)
        grid, target = image.grid, self.like.grid
        if one_grid(target, grid):
            voxels = shift_of(target, grid)
            image = replace(image, affine=self.like.affine) if image.drawn else image
            return image, near(target, grid, voxels) if voxels > SAME else None
        if self.placing.grid is not None and not grid.placed and grid.shape == target.shape:
            what = f"has no place of its own and is taken to lie on {self.name}"
            self.moved.append((what, called(image.path, self.names)))
            return replace(image, affine=self.like.affine, remark=without_guess(image.remark)), None
        fit = fit_of(target, grid)
        doubt = self._doubt(target, grid, fit, kind)
        if doubt is None and fit is not None:
            data, what = self._by_whole_voxels(image, fit, kind)
        elif doubt is None and self.placing.resample == "nearest" and meet(target, grid):
            data, what = self._resampled(image, kind)
        else:
            raise GridError(doubt or between(target, grid, kind))
        self.moved.append((what, called(image.path, self.names)))
        remark = None if fit is None or fit.shift <= SAME else near(target, grid, fit.shift)
        return replace(image, data=data, affine=self.like.affine, own=grid), remark

    def place_all(self, images: Sequence[Image], kinds: Sequence[Kind], remarks: list[str]) -> list[Image]:
        """Return all images on this grid; what is done with them is added to ``remarks``."""
        remarks += self.remarks
        placed = []
        for image, kind in zip(images, kinds, strict=True):
            one, remark = self.place(image, kind)
            placed.append(one)
            _say_instead(remarks, image.remark, one.remark)
            remarks.extend([remark] if remark else [])
        remarks += self.in_words(told=True)
        return placed

    def place_next(self, image: Image, remarks: list[str], kind: Kind = "votes") -> Image:
        """Return one of several images on this grid, as they are read; what is done is added to ``remarks``."""
        before = len(self.moved)
        placed, remark = self.place(image, kind)
        _say_instead(remarks, image.remark, placed.remark)
        remarks += [
            *([remark] if remark else []),
            *units_in_words([image], self.names),
            *self.in_words(before, told=True),
        ]
        return placed

    def in_words(self, since: int = 0, *, told: bool = False) -> list[str]:
        """Return what was done with the images, one line for all to which the same was done; ``told``: and what it means."""
        named: dict[str, list[str]] = {}
        for what, name in self.moved[since:]:
            more = (
                beyond_crops(offered=self.placing.offered) if told and self.crops and PADDED in what else ""
            )
            named.setdefault(f"{what}{more}", []).append(name)
        return [one_remark(names, what) for what, names in named.items()]

    def of_output(self, placed: Image) -> Common:
        """Return the grid of what is made of one image: its own, or this one if it was put there."""
        if placed.affine is self.like.affine:
            return self
        return replace(self, like=_without_voxels(placed), file=placed.path)

    def facts(self) -> dict[str, Any]:
        """Return what a sidecar says of the grid."""
        return {
            "file": None if self.file is None else recorded(self.file),
            "shape": list(self.like.data.shape),
            "affine": self.like.affine.tolist(),
            **({"extent": "files"} if self.crops and any(PADDED in what for what, _ in self.moved) else {}),
            **({"sheared": True} if self.like.grid.sheared else {}),
            **({"placed": self.in_words()} if self.moved else {}),
            **({"use": self.placing.use} if self.placing.use is not None else {}),
        }

    def _doubt(self, target: Grid, grid: Grid, fit: Fit | None, kind: Kind) -> str | None:
        """Return why an image must not be moved onto this grid, although it could be."""
        if self.joined and fit is not None and kind not in COVERING:
            return None
        named = self.placing.grid is not None
        doubt = doubt_of(
            target,
            grid,
            asked=named or self.placing.resample != "none",
            chosen=self.placing.use is not None,
            kind=kind,
        )
        if doubt is None and fit is not None and target.shape == grid.shape and not named:
            return None if _same_box(fit, target) else moved(target, grid, fit)
        return doubt

    def _with_size(self, image: Image) -> Image:
        """Give an image whose header says where it lies, but not how large its voxels are, the size of a grid that is named."""
        if self.placing.grid is None or image.sized or not image.grid.placed:
            return image
        self.moved.append((f"its voxel size is taken from {self.name}", called(image.path, self.names)))
        affine, size = image.affine.copy(), self.like.grid.voxel_mm
        turn = affine[:3, :3] / image.grid.voxel_mm
        nearest = np.abs((self.like.affine[:3, :3] / size).T @ turn).argmax(axis=0)
        affine[:3, :3] = turn * size[nearest]
        return replace(image, affine=affine, sized=True, remark=without_guess(image.remark))

    def _by_whole_voxels(self, image: Image, fit: Fit, kind: Kind) -> tuple[NDArray[Any], str]:
        data = fit.along(image.data)
        done = [f"axes turned ({_axes(fit)})"] if fit.turned else []
        whole = Box.of(self.like.data.shape)
        common = fit.box.common(whole)
        if common is None:
            raise GridError(
                f"{shown(image.path)} and {self.name} have no voxel in common: {ONE_WRONG}"
                f"{assumptions(self.like.grid, image.grid)}"
            )
        if not fit.box.holds(whole):
            self._check_covers(image, kind)
            done += [] if image.drawn and common != fit.box else [PADDED]  # contours were drawn on no box
        kept = data[fit.box.slices_of(common)]
        if common != fit.box:
            done.append(f"cropped{self._cut_off(image, data, kept, kind)}")
        if common == whole:
            kept = np.asfortranarray(kept)  # no view with axes in reverse
        else:
            out: NDArray[Any] = np.zeros(whole.shape, data.dtype, order="F")
            out[whole.slices_of(common)] = kept
            kept = out
        return kept, f"{', '.join(done)} onto {self.name}"

    def _check_covers(self, image: Image, kind: Kind) -> None:
        """Refuse to pad what is no mask and no votes: 0 means nothing there."""
        if kind in COVERING:
            raise GridError(
                f"{shown(image.path)}: the {kind} covers only a part of {self.name}, and what it would be beyond is not "
                f"known: give one that covers all, or name its own grid: {by_file(shown(image.path))}"
            )

    def _cut_off(self, image: Image, data: NDArray[Any], kept: NDArray[Any], kind: Kind) -> str:
        """Return how many marked voxels are cut off; refuse that unless the grid was named."""
        if kind in COVERING:
            return ""
        lost = int(np.count_nonzero(data)) - int(np.count_nonzero(kept))
        if lost and self.placing.grid is None:
            raise GridError(
                f"{shown(image.path)}: {not_zero(lost)} beyond {self.name}: give an image that covers "
                "them, or name the grid to cut them off: grid=FILE (--grid FILE)"
            )
        return f" by {not_zero(lost, verb='')}" if lost else ""

    def _resampled(self, image: Image, kind: Kind) -> tuple[NDArray[Any], str]:
        data, beyond = resampled(image.data, image.affine, self.like.data.shape, self.like.affine)
        if beyond:
            self._check_covers(image, kind)
        volumes = cut = ""
        if kind not in COVERING:
            lost = marked_beyond(image.data, image.affine, self.like.data.shape, self.like.affine)
            cut = f", cropped by {not_zero(lost, verb='')}" if lost else ""
            cut += self.placing.keeping if lost and self.placing.grid is None else ""
        if kind not in COVERING and data.dtype.kind in "biu":
            before = np.count_nonzero(image.data) * image.grid.voxel_mm3
            after = np.count_nonzero(data) * self.like.grid.voxel_mm3
            volumes = f"; what is not 0 was {before:g} mm³ and is now {after:g} mm³"
        sizes = sizes_apart(self.like.grid, image.grid)
        return data, f"resampled by the nearest voxel onto {self.name}{cut}{volumes}{sizes and f' ({sizes})'}"


def as_read(
    paths: Sequence[Path],
    images: Iterator[Image],
    say: Callable[[str], None],
    remarks: list[str],
    placing: Placing = AS_IT_IS,
    kinds: Sequence[Kind] = (),
) -> Iterator[Image]:
    """Yield the images of these paths with the affines that are to be used, and add to ``remarks``; ``kinds``: if not all are masks."""
    first: Image | None = None
    frames: dict[str, list[str]] = {}
    names = names_of(paths)
    for at, path in enumerate(paths, start=1):
        say(f"reading {names[path]}")
        image = with_form(next(images), placing.use)
        remarks.extend([image.remark] if image.remark else [])
        first = first or image
        if placing.resample == "none" and placing.grid is None:
            _check_lattice(first.grid, image.grid, kinds[at - 1] if kinds else "votes")
        if image.frame:
            frames.setdefault(image.frame, []).append(names[path])
        if at == len(paths):
            remarks += on_frames(list(frames.values()))
        yield image


def _check_lattice(first: Grid, other: Grid, kind: Kind) -> None:
    """Refuse an image whose voxels lie between another's before any more is read."""
    if not one_grid(first, other) and fit_of(first, other) is None:
        doubt = doubt_of(first, other, asked=False, chosen=False, kind=kind)
        raise GridError(doubt or between(first, other, kind))


def on_one_grid(
    paths: Sequence[Path],
    kinds: Sequence[Kind],
    images: Iterator[Image],
    say: Callable[[str], None],
    remarks: list[str],
    placing: Placing = AS_IT_IS,
) -> tuple[list[Image], Common]:
    """Return the images of these paths on one grid, and that grid; what is doubtful is added to ``remarks``."""
    found = list(as_read(paths, images, say, remarks, placing, kinds))
    common = Common.of(found, kinds, placing)
    common.names = names_of([*paths, *([] if placing.grid is None else [placing.grid])])
    remarks += units_in_words(found, common.names)
    return common.place_all(found, kinds, remarks), common


def _say_instead(remarks: list[str], before: str | None, after: str | None) -> None:
    """Put what is to be said of an image on the grid in the place of what was said of it as it was read."""
    if before is not None and before != after and before in remarks:
        remarks[remarks.index(before)] = after or ""
        remarks[:] = [remark for remark in remarks if remark]


def _same_box(fit: Fit, target: Grid) -> bool:
    return fit.box == Box.of(target.shape)


def _axes(fit: Fit) -> str:
    parts = []
    if fit.order != (0, 1, 2):
        parts.append(f"taken in the order {', '.join(map(str, fit.order))}")
    if fit.reverse:
        parts.append(
            f"{'axis' if len(fit.reverse) == 1 else 'axes'} {', '.join(map(str, fit.reverse))} reversed"
        )
    return ", ".join(parts)


def _without_voxels(image: Image) -> Image:
    """Return an image's place and header, without its voxels."""
    return replace(image, data=nothing(image.data.shape, image.data.dtype))
