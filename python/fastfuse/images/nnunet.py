"""Probabilities as nnU-Net saves them: CASE.npz beside CASE.nii.gz, which says where they lie.

Version 2 (``--save_probabilities``) writes "probabilities", version 1 (``--save_npz``) "softmax", each of shape
(classes, z, y, x); version 1 leaves out what it cropped away, and is read where that is nothing.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from .nifti import Image, read
from .paths import shown

ARRAYS = ("probabilities", "softmax")
COMPANIONS = (".nii.gz", ".nii", ".nrrd", ".mha")


def read_probabilities(path: Path, label: int | None = None) -> Image:
    """Read one class's probabilities.

    Parameters
    ----------
    path : Path
        The .npz; the segmentation that nnU-Net writes beside it has the same name and the ending .nii.gz, .nii,
        .nrrd or .mha.
    label : int, optional
        The class; may be left out for two, background and foreground.

    Raises
    ------
    ImageError
        If the file holds no probabilities of that class, or its grid is not to be known.
    """
    companion = read(_companion(path))
    probabilities = _array(path)
    if probabilities.ndim != 4 or probabilities.dtype.kind != "f":
        raise ImageError(
            f"{shown(path)}: {probabilities.dtype} of shape {probabilities.shape}; floats of shape (classes, z, y, x) "
            "are needed"
        )
    channel = _channel(path, len(probabilities), label)
    data = probabilities[channel].T
    if data.shape != companion.data.shape:
        raise ImageError(
            f"{shown(path)}: its probabilities have shape {data.shape}, {shown(companion.path.name)} has "
            f"{companion.data.shape}; nnU-Net v1 leaves out what it cropped away: put it back first, or use v2"
        )
    return Image(path, data, companion.affine, companion.header, remark=companion.remark)


def _companion(path: Path) -> Path:
    for ending in COMPANIONS:
        beside = path.with_name(path.name[: -len(".npz")] + ending)
        if beside.exists():
            return beside
    raise ImageError(
        f"{shown(path)}: no image of the same name ({', '.join(COMPANIONS)}) lies beside it to tell where its voxels are"
    )


def _array(path: Path) -> NDArray[Any]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            for name in ARRAYS:
                if name in found:
                    array: NDArray[Any] = found[name]
                    return array
            held = ", ".join(found.files) or "nothing"
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError, AttributeError) as error:
        raise ImageError(
            f"{shown(path)}: cannot be read ({str(error) or type(error).__name__}); is it a complete .npz?"
        ) from error
    raise ImageError(f"{shown(path)}: it holds {held}; an array named {' or '.join(ARRAYS)} is needed")


def _channel(path: Path, classes: int, label: int | None) -> int:
    if label is None:
        if classes != 2:
            raise ImageError(
                f"{shown(path)}: it holds {classes} classes; choose one with select_label=K (--select-label K)"
            )
        return 1
    if not 0 <= label < classes:
        raise ImageError(f"{shown(path)}: there is no class {label} among its {classes}")
    return label
