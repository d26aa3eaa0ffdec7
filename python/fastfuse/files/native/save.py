"""Writes a fusion of votes in memory: an image with its sidecar, and the page that shows both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...fusion.native.image import on_grid
from ...fusion.native.kind import Kind
from ...fusion.native.marks import keeps_regions, kept_marks, looked_for, marks_for
from ...fusion.native.origin import Origin
from ...fusion.native.outlets import Origins
from ...fusion.result import DiceRule, Fusion, Ties
from ...images.image import Image
from ...images.outputs import Outputs, check_outputs
from ...images.paths import PathLike, as_path, needed_path
from ...images.sidecar import sidecar_bytes, sidecar_path
from ...images.written.endings import OF_CONSENSUS, OF_LABELS, check_ending, is_dicom, is_segments
from ...images.written.nifti import Holds, nifti_bytes
from ...inputs.arrays import name_of
from ...inputs.names import counted, listed_names
from ...report.words.region import IN_MEMORY
from ..job import counts_of_marks
from ..report import check_report
from ..segments import probability_as_dicom, segments_of_masks
from .again import with_files_read
from .facts import facts_in_memory, without_device

UNKNOWN = "the options of this fusion were not kept with it"


def save(
    fusion: Fusion,
    path: PathLike,
    *,
    raters: Any,
    names: Sequence[str] | None,
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
    _check_names(consensus, mask)
    check_outputs([*images.values(), beside], [], (*OF_CONSENSUS, ".json"), overwrite=overwrite)
    fusion, origin = without_device(fusion), origin_of(fusion, len(fusion.sensitivity))
    called = names_for(origin, names)
    probability, on = on_grid(fusion.probability, origin.kind, like)
    needed = raters is not None or any(map(is_segments, images.values()))
    marks = _marks_inside(fusion, origin, raters) if needed else []
    known = marks or (kept_marks(fusion) if not origin.whole and keeps_regions(origin) else None)
    facts = facts_in_memory(fusion, origin, on, cut, ties, images, known, called)
    taken = facts["options"]["cut"]
    to_bytes = partial(as_nifti_bytes, on, fusion.method)

    def as_label(path: Path) -> bytes:
        label, _ = on_grid(fusion.label(taken, ties=ties), origin.kind, like)
        if not is_segments(path):
            return to_bytes(path, label, f"cut {taken:g}", "labels")
        placed = [on_grid(one, origin.kind, like)[0] for one in marks]
        return segments_of_masks(label, counts_of_marks(placed, len(placed)), placed, called, on)

    def as_probability(path: Path) -> bytes:
        if is_dicom(path):
            return probability_as_dicom(replace(fusion, probability=probability), on)
        return to_bytes(path, probability.astype(np.float32, copy=False), "probability", "probability")

    with Outputs(overwrite=overwrite) as outputs:
        outputs.add(consensus, (as_label if is_segments(consensus) else as_probability)(consensus))
        if mask is not None:
            outputs.add(mask, as_label(mask))
        outputs.add(beside, sidecar_bytes(facts))
        outputs.commit()


def _check_names(consensus: Path, mask: Path | None) -> None:
    """Refuse outputs that end otherwise than those of files do."""
    check_ending(consensus, OF_CONSENSUS)
    if mask is not None:
        check_ending(mask, OF_LABELS)
    if is_dicom(consensus):
        from ...images.written.dicom_seg import check_dicom

        check_dicom()


def _marks_inside(fusion: Fusion, origin: Origin, raters: Any) -> list[NDArray[Any]]:
    """Return where each rater marks; refuse if the regions that were given are gone."""
    if not keeps_regions(origin):
        raise ValueError(
            "the mask, or where raters looked (present), is no longer in memory, and what raters mark counts inside of it: keep it "
            "until the fusion is saved, or save .nii.gz and leave raters out"
        )
    return marks_for(fusion, with_files_read(origin, raters))


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
    from ...report.seen import pictures_of_fusion

    page = needed_path(path, "path")
    check_report(page, [], overwrite=overwrite)
    fusion, origin = without_device(fusion), origin_of(fusion, len(fusion.sensitivity))
    called = names_for(origin, names)
    given = with_files_read(origin, raters)
    marks = marks_for(fusion, given)
    told = origin.facts or {}  # of a fusion of files
    missing = told.get("options", origin.options).get("missing", "error")
    partly = origin.partial or bool(told.get("present")) or missing != "error"
    counts = np.asarray(fusion.n_read)
    partly = partly or bool((counts < counts.max(initial=0)).any())  # as of a rater who is None
    looked = looked_for(fusion, given) if partly and keeps_regions(origin) else ()
    pictures, on = pictures_of_fusion(fusion, marks, image, like, looked)
    known = marks if keeps_regions(origin) else None
    facts = facts_in_memory(fusion, origin, on, cut, ties, {"consensus": page, "report": page}, known, called)
    facts["outputs"]["consensus"] = IN_MEMORY
    facts |= {"present": IN_MEMORY} if looked and "present" not in facts else {}
    written = json.loads(sidecar_bytes(facts))
    with Outputs(overwrite=overwrite) as outputs:
        outputs.add(page, fusion_page(written, pictures, [], "the fusion"))
        outputs.commit()


def as_nifti_bytes(on: Image, method: str, path: Any, data: NDArray[Any], what: str, holds: Holds) -> bytes:
    """Return the bytes of an image; ``what`` goes into its description."""
    told = f"fastfuse {method} {what}".encode("ascii", "replace")[:79].decode()
    return nifti_bytes(path, data, on, told, holds)


def origin_of(fusion: Origins, raters: int) -> Origin:
    """Return where a fusion comes from; of one that was built from its fields, that this is not known."""
    if fusion._origin is None:
        return Origin(Kind(), tuple(name_of(i, None) for i in range(raters)), {}, (UNKNOWN,), whole=False)
    return fusion._origin


def names_for(origin: Origin, names: Sequence[str] | None) -> Sequence[str]:
    """Return what raters are called, by the names that are given or those that the fusion has."""
    if names is None:
        return origin.names
    given = listed_names(names)
    if given is None or len(given) != len(origin.names):
        raise ValueError(f"names: give one for each of {counted(len(origin.names), 'rater')}")
    return list(given)
