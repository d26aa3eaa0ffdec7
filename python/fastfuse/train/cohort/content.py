"""Problems of a case's voxels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cohort.msseg import Case
from ...errors import GridError, ImageError
from ...images.image import Image, ras_axes, votes_of
from ...images.paths import shown
from ...images.reading import read
from ...inputs.grids import check_same_grid
from ...inputs.mirrors import AXES, Marked, axes_in_words, misfit_of
from ...report.numbers import plural
from .flips import fit
from .loading import marked
from .problem import Problem

MOST_NAMED = 5  # values of a mask that a message lists
SAMPLE = 1 << 12  # voxels that are looked at first
ALL = 1 << 16  # voxels that are all looked at; of larger images every second along each axis
ALONE = 0.25  # least share of a mask that other raters mark too; a mirrored mask shares less


@dataclass
class Voxels:
    """The readable voxels of a case, and the problems of the other files; masks only if they lie on FLAIR's grid."""

    case: Case
    flair: Image | None = None
    images: dict[str, NDArray[Any]] = field(default_factory=dict)
    masks: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    stored: dict[str, NDArray[Any]] = field(default_factory=dict)
    brain: NDArray[np.uint8] | None = None
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    @classmethod
    def of(cls, case: Case, *, fix_flips: bool) -> Voxels:
        """Read every file that can be read."""
        voxels = cls(case)
        for path in case.paths:
            try:
                voxels._add(path, read(path), fix_flips=fix_flips)
            except (ImageError, GridError) as error:
                voxels.problems.append(Problem.of(case.name, path, error))
        return voxels

    def _add(self, path: Path, image: Image, *, fix_flips: bool) -> None:
        """Keep one file's voxels; a mask's stored values are kept even if its grid differs."""
        if path in self.case.images.values():
            self.images[path.name] = image.data
        else:
            self.stored[path.name] = votes_of(image)
        axes = self._compare(path, image, fix_flips=fix_flips)
        if path == self.case.brain:
            self.brain = marked(image, axes)
        elif path in self.case.masks:
            self.masks[path.name] = marked(image, axes)

    def _compare(self, path: Path, image: Image, *, fix_flips: bool) -> tuple[int, ...]:
        """Compare an image with FLAIR, if FLAIR can be read; return the axes to flip."""
        axes: tuple[int, ...] = ()
        remark = None
        grid = replace(image.grid, name=path.name)
        if path == self.case.images.get("FLAIR"):
            self.flair = image
        elif self.flair is not None:
            first = replace(self.flair.grid, name=self.flair.path.name)
            if path in self.case.images.values():
                remark = check_same_grid(first, grid)
            else:
                axes, remark = fit(first, grid, fix_flips=fix_flips)
        for text in (image.remark, remark):
            if text:
                self.notes.append(Problem(self.case.name, "", text, "look at it if in doubt"))
        return axes

    @property
    def volumes_ml(self) -> list[float]:
        """Volumes of the masks on FLAIR's grid, in ml; empty if FLAIR cannot be read."""
        if self.flair is None:
            return []
        return [int(mask.sum()) * self.flair.voxel_ml for mask in self.masks.values()]


def digests_of(voxels: Voxels) -> dict[str, str]:
    """Return a digest of each readable image's voxels, by modality; see :func:`digests_in`."""
    readable = {
        modality: voxels.images[path.name]
        for modality, path in voxels.case.images.items()
        if path.name in voxels.images
    }
    return digests_in(readable, None if voxels.flair is None else voxels.flair.affine)


def digests_in(images: Mapping[str, NDArray[Any]], affine: NDArray[Any] | None) -> dict[str, str]:
    """Return a digest of each image's voxels in the order R, A, S, by modality; none of one that is constant.

    However a file is named, compressed or stored, the same voxels have the same digest.
    """
    digests = {}
    for modality, image in images.items():
        if affine is not None:
            axes, backwards = ras_axes(affine)
            image = np.flip(image.transpose(axes), backwards)
        step = 1 if image.size <= ALL else 2  # an eighth tells two images apart
        held = np.ascontiguousarray(image[::step, ::step, ::step], np.float32)
        if held.min() == held.max():
            continue
        digests[modality] = hashlib.blake2b(repr(image.shape).encode() + held.tobytes()).hexdigest()
    return digests


def content_problems(voxels: Voxels) -> Iterator[Problem]:
    """Yield the problems of readable images and masks."""
    case = voxels.case.name
    for name, image in voxels.images.items():
        yield from (Problem(case, name, *found) for found in _of_image(image))
    for name, stored in voxels.stored.items():
        yield from (Problem(case, name, *found) for found in _of_mask(stored))
    for files in (voxels.images, voxels.stored):
        yield from (Problem(case, name, *found) for name, found in _copies(files))
    for name, mask in voxels.masks.items():
        yield from (Problem(case, name, *found) for found in _of_lesions(name, mask, voxels))


def _of_image(image: NDArray[Any]) -> Iterator[tuple[str, str]]:
    odd = image.size - int(np.count_nonzero(np.isfinite(image)))
    if odd:
        yield (
            f"{plural(odd, 'voxel')} {'is' if odd == 1 else 'are'} NaN or infinite",
            "set them to 0, or copy the file again",
        )
    if odd < image.size and np.nanmin(image) == np.nanmax(image):
        yield f"is {np.nanmin(image):g} everywhere", "copy the file again"
    elif not odd and _has_two_values(image):
        low, high = np.unique(image)
        yield f"holds {low:g} and {high:g} only, as a mask does", "put the image there"


def _has_two_values(image: NDArray[Any]) -> bool:
    """Tell whether an image holds two values; a few voxels tell most that do not."""
    few = image.reshape(-1)[:: max(1, image.size // SAMPLE)]
    return np.unique(few).size <= 2 and np.unique(image).size == 2


def _copies(files: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the files that hold what another before them holds; those that hold nothing but 0 are left out."""
    kept: dict[tuple[int, ...], list[str]] = {}
    for name, values in files.items():
        total = int(np.count_nonzero(values))
        same = kept.setdefault((*values.shape, total), [])
        first = next((other for other in same if np.array_equal(files[other], values)), None)
        if first is not None and total:
            yield (
                name,
                (
                    f"holds the same voxels as {shown(first)}",
                    "copy the right file there, or leave out one of the two",
                ),
            )
        same.append(name)


def _of_mask(stored: NDArray[Any]) -> Iterator[tuple[str, str]]:
    values = np.unique(stored)
    if not np.isin(values, (0, 1)).all():
        named = ", ".join(f"{value:g}" for value in values[:MOST_NAMED])
        more = f" and {values.size - MOST_NAMED} others" * (values.size > MOST_NAMED)
        yield (
            f"is not binary: its values are {named}{more}",
            "write 0 and 1; 'fastfuse experiment' counts whatever is above 0 as 1",
        )
    if not (stored > 0).any():
        yield "marks nothing", "copy it again, or take the case out if there is nothing to mark"


def _of_lesions(name: str, mask: NDArray[np.uint8], voxels: Voxels) -> Iterator[tuple[str, str]]:
    """Yield the problems of a mask against the brain mask and the other raters' masks."""
    marked_voxels = int(np.count_nonzero(mask))
    if voxels.brain is not None and voxels.brain.shape == mask.shape:
        outside = int(np.count_nonzero(mask & (1 - voxels.brain)))
        if outside:
            yield (
                f"marks {plural(outside, 'voxel')} outside the brain mask",
                "look at both over FLAIR, and correct one",
            )
    others = [other for key, other in voxels.masks.items() if key != name and other.shape == mask.shape]
    if marked_voxels and any(other.any() for other in others):
        shared = np.count_nonzero(mask & np.bitwise_or.reduce(others)) / marked_voxels
        axes = AXES if voxels.flair is None else axes_in_words(voxels.flair.affine)
        turned = misfit_of(Marked(mask, _is_set), [Marked(other, _is_set) for other in others])
        if turned is not None:
            yield (
                turned.in_words(axes),
                "look at it over FLAIR, and correct its voxels or its header; --fix-flips turns only what the header says is reversed",
            )
        elif shared < ALONE:
            yield (
                f"shares {100 * shared:.1f} % of its voxels with all other raters",
                "look at it over FLAIR: it may be flipped, or another patient's",
            )


def _is_set(mask: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(mask > 0)
