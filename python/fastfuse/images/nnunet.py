"""Reads probabilities as nnU-Net saves them: CASE.npz, on the grid of CASE.nii.gz beside it.

Version 2 (``--save_probabilities``) writes "probabilities", version 1 (``--save_npz``) writes "softmax", both of
shape (classes, z, y, x). Version 1 saves only the cropped part of the volume; files that really were cropped are
refused.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..inputs.foreground import Foreground
from .image import Image
from .paths import shown

ARRAYS = ("probabilities", "softmax")
COMPANIONS = (".nii.gz", ".nii", ".nrrd", ".mha")


def companion_of(path: Path) -> Path:
    """Return the segmentation that nnU-Net writes beside an .npz: the same name, ending .nii.gz, .nii, .nrrd or .mha.

    Raises
    ------
    ImageError
        If there is none.
    """
    for ending in COMPANIONS:
        beside = path.with_name(path.name[: -len(".npz")] + ending)
        if beside.exists():
            return beside
    raise ImageError(
        f"{shown(path)}: no image of the same name ({', '.join(COMPANIONS)}) lies beside it to tell where its voxels are"
    )


def read_probabilities(path: Path, companion: Image, foreground: Foreground) -> Image:
    """Read one class's probabilities.

    Parameters
    ----------
    path : Path
        The .npz.
    companion : Image
        The segmentation beside it, which has the grid.
    foreground : Foreground
        Its label is the class; needed unless there are two, background and foreground.

    Raises
    ------
    ImageError
        If the file holds no probabilities of that class, or they do not fit the grid.
    """
    probabilities = _array(path)
    if probabilities.ndim != 4 or probabilities.dtype.kind != "f":
        raise ImageError(
            f"{shown(path)}: {probabilities.dtype} of shape {probabilities.shape}; floats of shape (classes, z, y, x) "
            "are needed"
        )
    channel = _channel(path, len(probabilities), *foreground.labels)
    data = probabilities[channel].T
    if data.shape != companion.data.shape:
        raise ImageError(
            f"{shown(path)}: its probabilities have shape {data.shape}, {shown(companion.path.name)} has "
            f"{companion.data.shape}; nnU-Net v1 leaves out what it cropped away: put it back first, or use v2"
        )
    return Image(path, data, companion.affine, companion.header, remark=companion.remark)


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


def _channel(path: Path, classes: int, label: int | None = None) -> int:
    if label is None:
        if classes != 2:
            raise ImageError(
                f"{shown(path)}: it holds {classes} classes; choose one with select_label=K (--select-label K)"
            )
        return 1
    if not 0 <= label < classes:
        raise ImageError(f"{shown(path)}: there is no class {label} among its {classes}")
    return label
