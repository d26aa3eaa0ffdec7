"""Loads a case's images and masks, on one grid."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cohort.msseg import Case
from ...errors import CohortError, ImageError
from ...images.image import Image, votes_of
from ...images.paths import shown
from ...images.reading import reading
from ...inputs.grids import check_same_grid
from ...inputs.names import counted
from .flips import fit

PIECE = 1 << 20  # bytes hashed at once


@dataclass(frozen=True)
class LoadedCase:
    """A case in memory; all arrays have FLAIR's grid, (x, y, z).

    Attributes
    ----------
    case : Case
    images : dict of str to ndarray
        In the order of the case's images, each in the type of its file.
    masks : list of ndarray of uint8
        Each rater's mask: 1 where the file is above 0.
    brain : ndarray of uint8 or None
        1 where the file of the brain mask is above 0.
    like : Image
        FLAIR, as source of affine and header.
    remarks : list of str
        Doubts about the files, and the masks that were flipped back.
    """

    case: Case
    images: dict[str, NDArray[Any]]
    masks: list[NDArray[np.uint8]]
    brain: NDArray[np.uint8] | None
    like: Image
    remarks: list[str] = field(default_factory=list)


def load_case(case: Case, *, fix_flips: bool = False, gaps: bool = False, threads: int = 0) -> LoadedCase:
    """Read a case; nothing is ever resampled.

    Parameters
    ----------
    case : Case
        As :func:`fastfuse.cohort.msseg.find_cases` returns it.
    fix_flips : bool
        Flip masks back whose header reverses some axes but covers the same voxels.
    gaps : bool
        Take a case without a rater whom others of higher number follow.
    threads : int
        Number of files to read at once; 0: one per core.

    Raises
    ------
    CohortError
        If a modality or, without ``gaps``, a rater's number is missing, or there are fewer than two raters.
    ImageError
        If a file cannot be read.
    GridError
        If a file is not on FLAIR's grid; it tells both names and the difference.
    """
    check_complete(case, gaps=gaps)
    return _loaded(case, fix_flips, threads)


def load_images(case: Case) -> LoadedCase:
    """Read a case's images and brain mask alone; the raters' masks are left out.

    Raises
    ------
    ImageError, GridError
        As :func:`load_case`.
    """
    return _loaded(replace(case, masks=()), False, 0)


def _loaded(case: Case, fix_flips: bool, threads: int) -> LoadedCase:
    remarks: list[str] = []
    with reading(case.paths, threads) as images:
        flair = next(images)
        loaded = {image.path: _voxels(flair, image, case, fix_flips, remarks) for image in images}
    loaded[flair.path] = flair.data
    remarks[:0] = [flair.remark] if flair.remark else []
    return LoadedCase(
        case,
        {name: loaded[path] for name, path in case.images.items()},
        [loaded[path] for path in case.masks],
        loaded[case.brain] if case.brain else None,
        flair,
        remarks,
    )


def check_complete(case: Case, *, gaps: bool) -> None:
    """Refuse a case that lacks an image or, without ``gaps``, a rater's number, or has fewer than two raters.

    Raises
    ------
    CohortError
    """
    if missing := case.missing_images if gaps else case.missing:
        forced = "" if case.missing_images else ", or go on without by --force"
        raise CohortError(
            f"{case.name}: {', '.join(missing)} missing; add the files, or take the case out{forced}"
        )
    if len(case.masks) < 2:
        raise CohortError(
            f"{case.name}: {counted(len(case.masks), 'rater')}, at least 2 are needed; take the case out"
        )


def _voxels(flair: Image, image: Image, case: Case, fix_flips: bool, remarks: list[str]) -> NDArray[Any]:
    """Return the voxels of an image unchanged, and those of a mask as 0 and 1."""
    is_mask = image.path not in case.images.values()
    axes: tuple[int, ...] = ()
    if is_mask:
        axes, remark = fit(flair.grid, image.grid, fix_flips=fix_flips)
    else:
        remark = check_same_grid(flair.grid, image.grid)
    remarks.extend(text for text in (image.remark, remark) if text)
    return marked(image, axes) if is_mask else image.data


def marked(image: Image, axes: tuple[int, ...] = ()) -> NDArray[np.uint8]:
    """Return a mask as 0 and 1 (above 0), flipped along some axes."""
    return np.asarray(np.flip(votes_of(image) > 0, axes), dtype=np.uint8)


def hash_of(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits.

    Raises
    ------
    ImageError
        If the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
    except OSError as error:
        raise ImageError(f"{shown(path)}: cannot be read ({error.strerror or error})") from error
    return digest.hexdigest()
