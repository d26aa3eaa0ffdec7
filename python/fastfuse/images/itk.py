"""Reads NRRD and MetaImage files by SimpleITK."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..errors import ImageError
from .image import Image
from .paths import shown

ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")

# Standard error belongs to the whole process: one thread at a time may turn it off and on again.
ONE_AT_A_TIME = threading.Lock()


def read_itk(path: Path) -> Image:
    """Read one 3-D image with one value a voxel."""
    try:
        import SimpleITK as sitk
    except ImportError:
        raise ImageError(f"{shown(path)}: reading it needs SimpleITK: pip install 'fastfuse[itk]'") from None
    try:
        with quiet():
            image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ImageError(
            f"{shown(path)}: SimpleITK cannot read it ({reason}); is it complete, its data file included?"
        ) from error
    if image.GetNumberOfComponentsPerPixel() != 1 or image.GetDimension() != 3:
        raise ImageError(f"{shown(path)}: one 3-D image with one value a voxel is needed")
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    lps_to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    return Image(path, sitk.GetArrayFromImage(image).T, lps_to_ras @ affine)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence standard error while ITK reads: its readers print there what the exception says too."""
    with ONE_AT_A_TIME:
        yield from _without_standard_error()


def _without_standard_error() -> Iterator[None]:
    try:
        before = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
