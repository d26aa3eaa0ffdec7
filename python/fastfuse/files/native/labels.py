"""Writes a fusion of label maps in memory: a label map with its sidecar and the labels' table, and the page that shows both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...fusion.labels.result import LabelFusion
from ...fusion.native.image import on_grid
from ...fusion.native.maps import maps_and_looked_for
from ...images.formats.label_names import tsv_bytes
from ...images.image import Image
from ...images.outputs import Outputs, check_outputs
from ...images.paths import PathLike, needed_path, recorded
from ...images.sidecar import sidecar_bytes, sidecar_path
from ...images.written.endings import NIFTI, OF_LABELS, check_ending, is_segments
from ...report.words.region import IN_MEMORY
from ..labels.asked import saved_probabilities
from ..labels.facts import facts_of_labels, labels_held
from ..labels.job import as_float, group_name
from ..labels.pictures import values_of
from ..report import check_report
from ..segments import segments_of_map
from .again import with_files_read
from .facts import plain, with_names
from .save import as_nifti_bytes, names_for, origin_of

if TYPE_CHECKING:
    from ...report.html.scan import Pictures


def save(
    fusion: LabelFusion,
    path: PathLike,
    *,
    names: Sequence[str] | None,
    like: Any,
    save_probability: Mapping[Any, PathLike] | None,
    overwrite: bool,
) -> None:
    """Write the label map and what lies beside it; see :meth:`LabelFusion.save`."""
    consensus, groups = needed_path(path, "path"), saved_probabilities(save_probability)
    beside = sidecar_path(consensus)
    table = beside.with_suffix(".tsv")
    images = [consensus, *groups.values()]
    check_ending(consensus, OF_LABELS)
    for one in groups.values():
        check_ending(one, NIFTI)
    check_outputs([*images, table, beside], [], (*OF_LABELS, ".tsv", ".json"), overwrite=overwrite)
    origin = origin_of(fusion, len(fusion.raters))
    kind, called = origin.kind, names_for(origin, names)
    label_map, on = on_grid(fusion.label(), kind, like)
    named = {f"probability of {group_name(group)}": one for group, one in groups.items()}
    facts = _facts(fusion, on, label_map, {"consensus": consensus, **named, "labels": table}, called)
    colours = {one["label"]: one["color"] for one in facts["labels"] if "color" in one}
    held = labels_held(fusion, facts)
    with Outputs(overwrite=overwrite) as outputs:
        if is_segments(consensus):
            outputs.add(consensus, segments_of_map(label_map, held, colours, on))
        else:
            outputs.add(
                consensus, as_nifti_bytes(on, fusion.method, consensus, label_map, "labels", "labels")
            )
        for group, one in groups.items():
            values, _ = on_grid(as_float(fusion.probability(list(group))), kind, like)
            told = f"{group_name(group)} probability"
            outputs.add(one, as_nifti_bytes(on, fusion.method, one, values, told, "probability"))
        outputs.add(table, tsv_bytes(held, colours))
        outputs.add(beside, sidecar_bytes(facts))
        outputs.commit()


def report(
    fusion: LabelFusion,
    path: PathLike,
    *,
    raters: Any,
    image: Any,
    names: Sequence[str] | None,
    like: Any,
    overwrite: bool,
) -> None:
    """Write the page of a fusion; see :meth:`LabelFusion.report`."""
    from ...report.html.fusion import fusion_page

    page = needed_path(path, "path")
    check_report(page, [], overwrite=overwrite)
    called = names_for(origin_of(fusion, len(fusion.raters)), names)
    pictures, on = _pictures(fusion, raters, image, like)
    facts = _facts(fusion, on, pictures.consensus, {"consensus": page, "report": page}, called)
    facts["outputs"]["consensus"] = IN_MEMORY
    with Outputs(overwrite=overwrite) as outputs:
        outputs.add(page, fusion_page(json.loads(sidecar_bytes(facts)), pictures, [], "the fusion"))
        outputs.commit()


def _pictures(fusion: LabelFusion, raters: Any, image: Any, like: Any) -> tuple[Pictures, Image]:
    """Return the volumes of the page, with axes x, y, z, and an image that lies there."""
    from ...report.seen import placed_volumes

    labels = fusion.label()
    maps, looked = maps_and_looked_for(fusion, with_files_read(fusion._origin, raters), labels.shape)
    values = values_of(fusion)
    kind = np.result_type(labels, np.min_scalar_type(max(values)))
    return placed_volumes(
        fusion._origin, labels, [one.astype(kind) for one in maps], image, like, tuple(values), looked=looked
    )


def _facts(
    fusion: LabelFusion,
    on: Image,
    label_map: NDArray[Any],
    outputs: Mapping[str, Path],
    names: Sequence[str],
) -> dict[str, Any]:
    """Return the content of a sidecar."""
    origin, grid = origin_of(fusion, len(fusion.raters)), on.grid
    written = {what: recorded(one.name) for what, one in outputs.items()}
    if origin.facts is not None:  # of files, where all of this is written already
        return {**with_names(origin.facts, names), "outputs": written}
    return facts_of_labels(
        fusion,
        options=plain(origin.options),
        outputs=written,
        voxel_ml=grid.voxel_mm3 / 1000,
        raters=[(None, name) for name in names],
        label_map=label_map,
        mask=IN_MEMORY if origin.masked else None,
        grid={"file": None, "shape": list(label_map.shape), "affine": on.affine.tolist()},
        remarks=origin.remarks,
        present=[IN_MEMORY] * len(names) if origin.partial else (),
    )
