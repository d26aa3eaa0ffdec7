"""Writes NIfTI files: outputs as bytes."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from nibabel.nifti1 import Nifti1Image
from nibabel.nifti2 import Nifti2Image
from numpy.typing import NDArray

from .. import gz
from ..grids.forms import codes_to_write, in_file_units
from ..image import Image
from ..nifti import bytes_of

NiftiImage: TypeAlias = Nifti1Image
Holds = Literal["probability", "labels", "counts"]
# What programs go by to show an image: NIFTI_INTENT_ESTIMATE, and NIFTI_INTENT_LABEL.
INTENTS = {"probability": (1001, "probability"), "labels": (1002, "labels"), "counts": (1001, "counts")}


def nifti_bytes(
    path: Path,
    data: NDArray[Any],
    like: Image,
    description: str,
    holds: Holds | None = None,
    *,
    both_forms: bool = False,
) -> bytes:
    """Serialise ``data`` as NIfTI with the head that ``like`` gives it.

    Compressed if ``path``, the file to be written, ends in .gz. ``both_forms``: where one of qform and sform has no code in
    ``like``, it gets the other's, unless the axes are sheared.
    """
    most = 1 if holds == "probability" else data.max(initial=0)
    parts = (nifti_head(data, like, description, holds, most, both_forms=both_forms), bytes_of(data))
    return gz.compress(parts) if path.name.lower().endswith(".gz") else b"".join(parts)


def nifti_head(
    data: NDArray[Any],
    like: Image,
    description: str,
    holds: Holds | None = None,
    most: float = 0,
    *,
    both_forms: bool = False,
) -> bytes:
    """Return what stands before voxels in a file."""
    buffer = io.BytesIO()
    _image(data, like, description, holds, most, both_forms=both_forms).header.write_to(buffer)
    return buffer.getvalue()


def nifti_image(data: NDArray[Any], like: Image, description: str, holds: Holds) -> NiftiImage:
    """Return ``data`` as an image of nibabel's with the head that :func:`nifti_bytes` writes."""
    most = 1 if holds == "probability" else data.max(initial=0)
    image: NiftiImage = _image(data, like, description, holds, most)
    image.header.set_slope_inter(None, None)  # nibabel sets them when it writes
    return image


def _image(
    data: NDArray[Any],
    like: Image,
    description: str,
    holds: Holds | None,
    most: float,
    *,
    both_forms: bool = False,
) -> Any:
    """Return an image with affine, units and codes of ``like``; qform and sform equal, slope 1.

    The affine is written in the units of ``like``, so that both files look alike where units are not read. With ``holds``,
    intent and range of display, up to ``most``, are those of what the voxels are.
    """
    kind: Any = Nifti1Image if max(data.shape) < 2**15 else Nifti2Image
    affine = in_file_units(like.affine, like.header)
    image = kind(data, affine, dtype=data.dtype)  # which 64-bit integers need
    qform_code, sform_code = 1, 1
    image.header.set_xyzt_units("mm")
    if like.header is not None:
        qform_code, sform_code = codes_to_write(like.path, like.header, data.shape[:3], like.form)
        with suppress(KeyError):  # units that the standard does not know
            image.header.set_xyzt_units(*like.header.get_xyzt_units())
    image.set_sform(affine, sform_code)
    image.set_qform(affine, qform_code)
    if both_forms and np.allclose(image.get_qform(), affine, atol=1e-4):
        image.set_qform(affine, qform_code or sform_code)
        image.set_sform(affine, sform_code or qform_code)
    image.header["descrip"] = description.encode()
    if holds is not None:
        image.header["intent_code"], image.header["intent_name"] = INTENTS[holds]
        image.header["cal_min"], image.header["cal_max"] = 0, most
    image.header.set_slope_inter(1, 0)
    return image
