"""Takes the affine of a NIfTI header that is to be used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..checks import check_affine
from ..image import Image
from ..paths import shown
from .forms import disagreement, forms_of, unit_doubt, with_thickness


def with_form(image: Image, use: str | None) -> Image:
    """Return an image with the affine that is to be used."""
    form = forms_of(image.header).get(use or "")
    if form is None:
        return image
    form, _ = with_thickness(form, image.data.shape)
    check_affine(image.path, form)
    doubt = disagreement(image.path, image.header, image.data.shape)
    remark = _with_unit(image, form)
    if doubt is not None and remark is not None:
        remark = remark.replace(doubt, doubt.replace("the sform is used", f"the {use} is used, as asked"))
    return replace(image, affine=form, form=use, remark=remark)


def _with_unit(image: Image, form: NDArray[np.float64]) -> str | None:
    """Return an image's remark with what is doubtful about the unit of another affine of its header."""
    before, after = (
        unit_doubt(image.header, np.linalg.norm(affine[:3, :3], axis=0)) for affine in (image.affine, form)
    )
    if before == after:
        return image.remark
    name, told = shown(image.path), image.remark or ""
    if before:
        told = told.replace(f"{name}: {before}; {name}: ", f"{name}: ").replace(
            f"{name}: {before}; ", f"{name}: "
        )
        told = told.replace(f"; {before}", "").replace(f"{name}: {before}", "")
    added = f"{name}: {after}" if after else ""
    return "; ".join(part for part in (told, added) if part) or None
