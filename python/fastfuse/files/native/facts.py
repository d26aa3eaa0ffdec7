"""What the sidecar of a fusion of votes in memory says: as that of files, with no files named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...fusion.native.kind import OF_FILES, Kind, in_memory
from ...fusion.native.origin import Origin
from ...fusion.result import DiceRule, Fusion, Ties, check_label_cut, cut_of
from ...images.image import Image
from ...images.paths import recorded
from ...inputs.libraries import Place
from ...report.words.region import IN_MEMORY
from ..facts import facts_of, held_by
from ..job import Inputs, Job

if TYPE_CHECKING:
    from ...fusion.labels.result import LabelFusion


def facts_in_memory(
    fusion: Fusion,
    origin: Origin,
    like: Image,
    cut: float | DiceRule,
    ties: Ties,
    outputs: Mapping[str, Path],
    marks: Sequence[NDArray[Any] | None] | None,
    names: Sequence[str],
) -> dict[str, Any]:
    """Return the content of a sidecar; ``marks``: where raters mark, None where that is not known."""
    taken = cut_of(fusion.probability, check_label_cut(cut, ties))
    names_of = {what: recorded(path.name) for what, path in outputs.items()}
    if origin.facts is not None:  # of files, where all of this is written already
        return {**with_names(origin.facts, names), "outputs": names_of}
    options = {
        **plain(origin.options),
        "cut": taken,
        **({"label_rule": "dice"} if cut == "dice" else {}),
        **({} if ties == "foreground" else {"ties": ties}),
    }
    grid = like.grid
    known = origin.beside.values() is not None
    return facts_of(
        fusion,
        options=options,
        outputs=names_of,
        voxel_ml=grid.voxel_mm3 / 1000,
        raters=[
            (None, name, count) for name, count in zip(names, _counts(fusion, origin, marks), strict=True)
        ],
        held=held_by(fusion, taken, ties),
        mask=IN_MEMORY if origin.masked else None,
        grid={"file": None, "shape": list(like.data.shape), "affine": like.affine.tolist()},
        image=IN_MEMORY if known else None,
        remarks=origin.remarks,
        more={}
        if origin.decided is None
        else {"decisions": {"file": None, "lesions": [], "voxels": dict(origin.decided)}},
    )


def with_names(facts: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return what a sidecar says, with raters called otherwise."""
    raters = [{**one, "name": name} for one, name in zip(facts["raters"], names, strict=True)]
    return {**facts, "raters": raters}


def _counts(fusion: Fusion, origin: Origin, marks: Sequence[NDArray[Any] | None] | None) -> list[int | None]:
    """Return the voxels that each rater marks; None where the votes are soft, and gone."""
    if origin.whole:
        return [round(volume) for volume in fusion.volume.tolist()]
    if marks is None:
        return [None] * len(fusion.volume)
    return [0 if one is None else int(np.count_nonzero(one)) for one in marks]


def plain(value: Any) -> Any:
    """Return what JSON takes: numbers of NumPy's as Python's, arrays and tuples as lists."""
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


Fused = TypeVar("Fused", Fusion, "LabelFusion")


def with_facts(
    fusion: Fused,
    job: Job,
    inputs: Inputs,
    facts: Mapping[str, Any],
    again: Callable[[Any], list[Any]] | None,
    *,
    grown: bool = False,
) -> Fused:
    """Return a fusion of files with where it comes from; ``again``, ``grown``: as of an :class:`Origin`."""
    like = inputs.common.like
    place = Place(like.affine, tuple(like.grid.voxel_mm.tolist()), tuple(like.data.shape))
    kind = Kind(OF_FILES, place, facts={"header": like.header})
    origin = Origin(kind, tuple(job.names), {}, facts=dict(facts), again=again, grown=grown)
    return replace(fusion, _origin=origin)


def without_device(fusion: Fusion) -> Fusion:
    """Return the fusion with its probability as an array of NumPy's."""
    return replace(fusion, probability=in_memory(fusion.probability))
