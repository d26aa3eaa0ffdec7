"""Writes a fusion of votes in memory: an image with its sidecar, and the page that shows both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import OutputError
from ...fusion.case import Case
from ...fusion.native.image import on_grid
from ...fusion.native.kind import Kind
from ...fusion.native.origin import Origin
from ...fusion.options import Options
from ...fusion.result import DiceRule, Fusion, Ties
from ...fusion.votes import Votes
from ...images.image import Image
from ...images.outputs import Outputs, check_outputs
from ...images.paths import PathLike, as_path, needed_path, shown
from ...images.sidecar import sidecar_bytes, sidecar_path
from ...images.written.endings import NIFTI
from ...images.written.nifti import Holds, nifti_bytes
from ...inputs.arrays import as_companion, name_of
from ...inputs.names import listed_names
from ..job import marked_by
from ..report import check_report
from .facts import facts_in_memory, without_device

UNKNOWN = "the options of this fusion were not kept with it"


def save(
    fusion: Fusion,
    path: PathLike,
    *,
    like: Any,
    save_label: PathLike | None,
    cut: float | DiceRule,
    ties: Ties,
    overwrite: bool,
) -> None:
    """Write the consensus and its sidecar; see :meth:`Fusion.save`."""
    consensus, mask = needed_path(path, "path"), as_path(save_label, "save_label")
    images = {"consensus": consensus, **({} if mask is None else {"label": mask})}
    beside = sidecar_path(consensus)
    for one in images.values():
        _check_nifti(one)
    check_outputs([*images.values(), beside], [], (*NIFTI, ".json"), overwrite=overwrite)
    fusion, origin = without_device(fusion), _origin_of(fusion)
    probability, on = on_grid(fusion.probability, origin.kind, like)
    known = _kept_marks(origin) if not origin.whole and _keeps_regions(origin) else None
    facts = facts_in_memory(fusion, origin, on, cut, ties, images, known, origin.names)
    taken = facts["options"]["cut"]
    to_bytes = partial(_bytes, on, fusion.method)
    with Outputs(overwrite=overwrite) as outputs:
        content = probability.astype(np.float32, copy=False)
        outputs.add(consensus, to_bytes(consensus, content, "probability", "probability"))
        if mask is not None:
            label, _ = on_grid(fusion.label(taken, ties=ties), origin.kind, like)
            outputs.add(mask, to_bytes(mask, label, f"cut {taken:g}", "labels"))
        outputs.add(beside, sidecar_bytes(facts))
        outputs.commit()


def report(
    fusion: Fusion,
    path: PathLike,
    *,
    raters: Any,
    image: Any,
    names: Sequence[str] | None,
    like: Any,
    cut: float | DiceRule,
    ties: Ties,
    overwrite: bool,
) -> None:
    """Write the page of a fusion; see :meth:`Fusion.report`."""
    from ...report.html.fusion import fusion_page
    from ...report.html.scan import Pictures

    page = needed_path(path, "path")
    check_report(page, [], overwrite=overwrite)
    fusion, origin = without_device(fusion), _origin_of(fusion)
    called = _names(origin, names)
    marks = _kept_marks(origin) if raters is None else _marks(origin, raters)
    if marks is None:
        raise ValueError(
            "the votes are no longer in memory, and the page draws raters' outlines: give them again, raters=..."
        )
    shape = tuple(fusion.probability.shape)
    if len(marks) != len(fusion.sensitivity) or any(one is not None and one.shape != shape for one in marks):
        raise ValueError(
            f"raters: the fusion is of {len(fusion.sensitivity)} raters of shape {shape}; give the votes of which it was made"
        )
    kind, placed = _placed(origin.kind, like, fusion.probability)
    probability, on = on_grid(fusion.probability, kind, like)
    drawn = [np.zeros(shape, bool) if one is None else one for one in marks]
    below = image if image is not None else next(iter(origin.beside.values() or []), None)
    grey = None if below is None else on_grid(as_companion(below, "image", shape), kind, like)[0]
    pictures = Pictures(probability, [on_grid(one, kind, like)[0] for one in drawn], on.affine, grey, placed)
    known = marks if _keeps_regions(origin) else None
    facts = facts_in_memory(fusion, origin, on, cut, ties, {"consensus": page, "report": page}, known, called)
    facts["outputs"]["consensus"] = "in memory"
    written = json.loads(sidecar_bytes(facts))
    with Outputs(overwrite=overwrite) as outputs:
        outputs.add(page, fusion_page(written, pictures, [], "the fusion"))
        outputs.commit()


def _check_nifti(path: Any) -> None:
    if not path.name.lower().endswith(NIFTI):
        raise OutputError(
            f"{shown(path)}: a fusion is saved as .nii or .nii.gz; segments (.seg.nrrd) and DICOM are written by fuse_files"
        )


def _bytes(on: Image, method: str, path: Any, data: NDArray[Any], what: str, holds: Holds) -> bytes:
    return nifti_bytes(path, data, on, f"fastfuse {method} {what}", holds)


def _origin_of(fusion: Fusion) -> Origin:
    if fusion._origin is None:
        return Origin(
            Kind(),
            tuple(name_of(i, None) for i in range(len(fusion.sensitivity))),
            {},
            (UNKNOWN,),
            whole=False,
        )
    return fusion._origin


def _names(origin: Origin, names: Sequence[str] | None) -> Sequence[str]:
    if names is None:
        return origin.names
    given = listed_names(names)
    if given is None or len(given) != len(origin.names):
        raise ValueError(f"names: give one for each of {len(origin.names)} raters")
    return list(given)


def _kept_marks(origin: Origin) -> list[NDArray[Any] | None] | None:
    """Return where each rater marks, if the caller still has the votes."""
    held = origin.held.values()
    return None if held is None else _marks(origin, held)


def _keeps_regions(origin: Origin) -> bool:
    """Tell whether the mask, and where raters looked, are still there, where they were given."""
    return all(
        region.values() is not None
        for given, region in ((origin.masked, origin.mask), (origin.partial, origin.present))
        if given
    )


def _marks(origin: Origin, raters: Any) -> list[NDArray[Any] | None]:
    """Return where each rater marks, inside the regions that are still there: votes of at least 0.5, or the label that was chosen.

    None for a rater who did not read the case.
    """
    options = Options(**origin.selection)
    mask = next(iter(origin.mask.values() or []), None)
    case = Case.of(Votes(raters, mask, origin.present.values()).listed(), options)
    found: list[NDArray[Any] | None] = [None] * case.given.count
    looked = case.present or [None] * len(case.given.arrays)
    for place, votes, seen in zip(case.given.places, case.given.arrays, looked, strict=True):
        marked = marked_by(np.asarray(votes), options.core_label)
        for region in (case.mask, seen):
            marked = marked if region is None else marked & (region != 0)
        found[place] = marked
    return found


def _placed(kind: Kind, like: Any, values: NDArray[Any]) -> tuple[Kind, bool]:
    """Return a kind that has a place: of arrays voxels of 1 mm, whose sides are not known."""
    from ...inputs.libraries import Place

    if like is not None or (kind.place is not None and kind.place.affine is not None):
        return kind, True
    shape = tuple(length for length in values.shape if length > 1 or values.ndim <= 3)
    sides = tuple(1.0 for _ in shape)
    return replace(kind, place=Place(np.eye(4), sides, shape)), False
