"""The affines of NIfTI headers: qform and sform, and the units that they count in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from ...inputs.grids import NEAR, distance_of_affines
from ...inputs.libraries import IN_MM, UNITS, unit_of
from ..checks import fault_of_affine
from ..paths import shown

Affine = NDArray[np.float64]

LEAST_SIDE, MOST_SIDE = 0.01, 100  # mm, of voxels whose unit is not doubted
LAST_CODE = 5  # of NIfTI's codes of forms
CODES = {"qform": "qform_code", "sform": "sform_code"}


def unit_doubt(header: Any, sides: NDArray[np.float64]) -> str:
    """Return what is doubtful about a header's unit: a code that is not defined, or none beside odd voxel sizes in mm."""
    code = int(header["xyzt_units"]) & 7
    if code not in (0, *UNITS):
        return f"its unit code {code} is not defined: mm is taken"
    if (
        code == 0
        and np.isfinite(sides).all()
        and not (sides.min() >= LEAST_SIDE and sides.max() <= MOST_SIDE)
    ):
        voxel = " x ".join(f"{side:.3g}" for side in sides)
        return f"its header gives no unit, and voxels of {voxel} are taken in mm; is that right?"
    return ""


def of_unknown_code(header: Any, form: str, code: int) -> str:
    """Return what is to be said of a form's code that NIfTI does not define; nibabel has set it to 0."""
    other = "qform" if form == "sform" else "sform"
    used = int(header[CODES[other]]) > 0
    done = f"the {other} is used" if used else "its header then does not say where it lies"
    return f"its {CODES[form]} {code} is not defined (0 to {LAST_CODE} are), so its {form} is left out, and {done}"


def codes_in(doubts: list[str]) -> str:
    """Return the codes that doubts of a header speak of, such as sform_code 99."""
    return " and ".join(dict.fromkeys(re.findall(r"[qs]form_code -?\d+", " ".join(doubts))))


def forms_of(header: Any) -> dict[str, Affine]:
    """Return the affines of a NIfTI header whose codes are set, in mm, if they are numbers; nothing for other formats."""
    found = {form: _form(header, form) for form in set_forms(header)}
    return {
        form: affine
        for form, affine in found.items()
        if isinstance(affine, np.ndarray) and np.isfinite(affine).all()
    }


def set_forms(header: Any) -> list[str]:
    """Return the forms of a NIfTI header whose codes are set."""
    return [] if header is None else [form for form, code in CODES.items() if int(header[code]) > 0]


def fault_of_qform(header: Any) -> str:
    """Return why a qform whose code is set is no affine; nothing if it is one, or not set."""
    found = _form(header, "qform") if "qform" in set_forms(header) else ""
    return found if isinstance(found, str) else ""


def _form(header: Any, form: str) -> Affine | str:
    """Return a form in mm, or why it is none."""
    try:
        return _in_mm(header.get_qform() if form == "qform" else header.get_sform(), header)
    except (ValueError, HeaderDataError) as error:
        return str(error)


def with_thickness(affine: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[NDArray[np.float64], str]:
    """Give a single slice a thickness of 1 mm where its affine has none; say so."""
    if shape[2] != 1 or not np.isfinite(affine).all() or np.any(affine[:3, 2]):
        return affine, ""
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    length = float(np.linalg.norm(normal))
    if length == 0:
        return affine, ""
    affine = affine.copy()
    affine[:3, 2] = normal / length
    return affine, "its header gives no thickness of the slice: 1 mm is taken"


def affine_of(header: Any) -> Affine:
    """Return the affine that counts, in mm: the sform, else the qform, else one that centres the volume."""
    return _in_mm(header.get_best_affine(), header)


def in_file_units(affine: Affine, header: Any) -> Affine:
    """Return an affine in mm as a header of these units holds it."""
    return _scaled(affine, 1 / IN_MM[unit_of(header)])


def disagreement(path: Path, header: Any, shape: tuple[int, ...]) -> str | None:
    """Return a remark if qform and sform put the image at different places."""
    forms, given = forms_of(header), set_forms(header)
    if len(forms) == 1 and len(given) == 2:
        [used] = forms
        return f"{shown(path)}: its {'sform' if used == 'qform' else 'qform'} is no matrix of finite numbers; the {used} is used"
    sound = [form for form in forms if not fault_of_affine(with_thickness(forms[form], shape)[0])]
    if len(forms) == 2 and len(sound) == 1:
        return f"{shown(path)}: its {'sform' if sound == ['qform'] else 'qform'} is no invertible matrix; the {sound[0]} is used"
    shift = distance_of_affines(shape, list(forms.values()))
    if len(forms) < 2 or shift <= NEAR * float(np.linalg.norm(forms["sform"][:3, :3], axis=0).min()):
        return None
    return f"{shown(path)}: its qform and sform lie {shift:.3g} mm apart; the sform is used"


def codes_to_write(path: Path, header: Any, shape: tuple[int, ...], form: str | None) -> tuple[int, int]:
    """Return the codes of qform and sform for one place written as both: their own, or if they disagree that of the one used.

    ``form``: the one that was asked for.
    """
    if disagreement(path, header, shape) is None:
        return int(header["qform_code"]), int(header["sform_code"])
    forms = forms_of(header)
    sound = [one for one in forms if not fault_of_affine(with_thickness(forms[one], shape)[0])]
    code = int(header[CODES[form or ("sform" if "sform" in sound else "qform")]])
    return code, code


def _in_mm(affine: Any, header: Any) -> Affine:
    return _scaled(np.asarray(affine, dtype=np.float64), IN_MM[unit_of(header)])


def _scaled(affine: Affine, factor: float) -> Affine:
    if factor == 1:
        return affine
    scaled = affine.copy()
    scaled[:3] *= factor
    return scaled
