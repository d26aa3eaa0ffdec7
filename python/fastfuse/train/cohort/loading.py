"""A case's images and masks, in memory and on one grid."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CohortError, ImageError
from ...images.nifti import Image, votes_of
from ...images.paths import shown
from ...images.reading import reading
from ...inputs.grids import check_same_grid
from .flips import fit
from .msseg import Case

PIECE = 1 << 20  # bytes hashed at once


@dataclass(frozen=True)
class LoadedCase:
    """A case in memory, all on FLAIR's grid of (x, y, z) voxels.

    Attributes
    ----------
    case : Case
    images : dict of str to ndarray
        In the order of the case's images, each in the type of its file.
    masks : list of ndarray of uint8
        1 where a rater's file is above 0.
    brain : ndarray of uint8 or None
        1 where the brain mask's file is above 0.
    like : Image
        FLAIR, for its affine and header.
    remarks : list of str
        What is doubtful about the files, and which masks were flipped back.
    """

    case: Case
    images: dict[str, NDArray[Any]]
    masks: list[NDArray[np.uint8]]
    brain: NDArray[np.uint8] | None
    like: Image
    remarks: list[str] = field(default_factory=list)


def load_case(case: Case, *, fix_flips: bool = False, threads: int = 0) -> LoadedCase:
    """Read a case; nothing is ever resampled.

    Parameters
    ----------
    case : Case
        As :func:`fastfuse.train.msseg.find_cases` finds it.
    fix_flips : bool
        Flip masks back whose header runs the other way along some axes, but covers the same voxels.
    threads : int
        Files read at once; 0 for one per core.

    Raises
    ------
    CohortError
        If a modality or a rater's number is missing, or there are fewer than two raters.
    ImageError
        If a file cannot be read.
    GridError
        If a file does not lie on FLAIR's grid, with both names and the difference.
    """
    _check_complete(case)
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


def _check_complete(case: Case) -> None:
    if case.missing:
        raise CohortError(
            f"{case.name}: {', '.join(case.missing)} missing; add the files, or take the case out"
        )
    if len(case.masks) < 2:
        raise CohortError(f"{case.name}: {len(case.masks)} raters, at least 2 are needed; take the case out")


def _voxels(flair: Image, image: Image, case: Case, fix_flips: bool, remarks: list[str]) -> NDArray[Any]:
    """Return an image's voxels as they are, or a mask's as 0 and 1."""
    is_mask = image.path not in case.images.values()
    axes: tuple[int, ...] = ()
    if is_mask:
        axes, remark = fit(flair.grid, image.grid, fix_flips=fix_flips)
    else:
        remark = check_same_grid(flair.grid, image.grid)
    remarks.extend(text for text in (image.remark, remark) if text)
    return marked(image, axes) if is_mask else image.data


def marked(image: Image, axes: tuple[int, ...] = ()) -> NDArray[np.uint8]:
    """Return 1 where a mask is above 0, flipped along some axes."""
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
