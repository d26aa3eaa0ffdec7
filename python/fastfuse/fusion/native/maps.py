"""Label maps of a fusion's raters, as long as the caller holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...dilation.soft_labels import SoftLabels
from ...inputs.arrays import as_array, as_companion, name_of
from ..labels.result import LabelFusion
from ..labels.soft.given import listed_raters
from ..votes import Votes
from .marks import votes_held


def maps_for(fusion: LabelFusion, raters: Any, shape: tuple[int, ...]) -> list[NDArray[Any]]:
    """Return each rater's label map, of soft votes the most probable label; 0 where one did not read, or gives no label of the fusion.

    ``raters``: the votes; None for those that the fusion was given.

    Raises
    ------
    ValueError
        If the votes are no longer in memory, or are not those of the fusion.
    """
    origin = fusion._origin
    given = votes_held(origin) if raters is None else listed_raters(Votes(raters)).raters
    if len(given) != len(fusion.raters):
        raise _not_those(fusion, shape)
    mask = None if origin is None else next(iter(origin.mask.values() or []), None)
    present = None if origin is None else origin.present.values()
    looked: list[Any] = [None] * len(given) if present is None else present
    inside = None if mask is None else as_companion(mask, "mask", shape) != 0
    found = []
    for place, (rater, seen) in enumerate(zip(given, looked, strict=True)):
        name = name_of(place, fusion.raters)
        values = np.zeros(shape, np.uint8) if rater is None else _map_of(rater, fusion, name, shape)
        held = np.isin(values, fusion.labels)
        held &= True if inside is None else inside
        held &= True if seen is None else as_companion(seen, f"present[{place}]", shape) != 0
        found.append(np.where(held, values, 0))
    return found


def _map_of(rater: Any, fusion: LabelFusion, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    values = rater.label if isinstance(rater, SoftLabels) else as_array(rater, name)
    if values.shape[1:] == shape and values.shape[0] == len(fusion.labels):
        values = np.asarray(fusion.labels)[np.argmax(np.nan_to_num(values), axis=0)]
    if values.shape != shape:
        raise _not_those(fusion, shape)
    return np.nan_to_num(np.rint(values)) if values.dtype.kind == "f" else values


def _not_those(fusion: LabelFusion, shape: tuple[int, ...]) -> ValueError:
    return ValueError(
        f"raters: the fusion is of {len(fusion.raters)} raters of shape {shape}; give the votes of which it was made"
    )
