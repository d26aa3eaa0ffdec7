"""Writes NIfTI files: outputs as bytes."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from nibabel.nifti1 import Nifti1Image
from nibabel.nifti2 import Nifti2Image
from numpy.typing import NDArray

from .. import gz
from ..grids.forms import codes_to_write, in_file_units
from ..image import Image
from ..nifti import bytes_of

Holds = Literal["probability", "labels", "counts"]
# What programs go by to show an image: NIFTI_INTENT_ESTIMATE, and NIFTI_INTENT_LABEL.
INTENTS = {"probability": (1001, "probability"), "labels": (1002, "labels"), "counts": (1001, "counts")}


def nifti_bytes(
    path: Path, data: NDArray[Any], like: Image, description: str, holds: Holds | None = None
) -> bytes:
    """Serialise ``data`` as NIfTI with the head that ``like`` gives it.

    Compressed if ``path``, the file to be written, ends in .gz.
    """
    most = 1 if holds == "probability" else data.max(initial=0)
    parts = (nifti_head(data, like, description, holds, most), bytes_of(data))
    return gz.compress(parts) if path.name.lower().endswith(".gz") else b"".join(parts)


def nifti_head(
    data: NDArray[Any], like: Image, description: str, holds: Holds | None = None, most: float = 0
) -> bytes:
    """Return what stands before voxels: affine, units and codes of ``like``; qform and sform equal, slope 1.

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
    image.header["descrip"] = description.encode()
    if holds is not None:
        image.header["intent_code"], image.header["intent_name"] = INTENTS[holds]
        image.header["cal_min"], image.header["cal_max"] = 0, most
    image.header.set_slope_inter(1, 0)
    buffer = io.BytesIO()
    image.header.write_to(buffer)
    return buffer.getvalue()
