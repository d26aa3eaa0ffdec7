"""Label maps of a fusion's raters, as long as the caller holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...dilation.soft_labels import SoftLabels
from ...inputs.arrays import as_array, as_companion, name_of
from ...inputs.names import counted
from ..labels.options import BACKGROUND
from ..labels.result import LabelFusion
from ..labels.soft.given import listed_raters
from ..votes import Votes
from .marks import Sums, check_sums, keeps_regions, reader_of, votes_held


def maps_for(fusion: LabelFusion, raters: Any, shape: tuple[int, ...]) -> list[NDArray[Any]]:
    """Return each rater's label map; see :func:`maps_and_looked_for`."""
    return maps_and_looked_for(fusion, raters, shape)[0]


def maps_and_looked_for(
    fusion: LabelFusion, raters: Any, shape: tuple[int, ...]
) -> tuple[list[NDArray[Any]], list[NDArray[np.bool_]]]:
    """Return each rater's label map, of soft votes the most probable label; 0 where one did not read, or gives no label of the fusion.

    And where each looked, inside the mask.

    ``raters``: the votes; None for those that the fusion was given.

    Raises
    ------
    ValueError
        If the votes are no longer in memory, or are not those of the fusion.
    """
    origin = fusion._origin
    given: list[Any]
    again = reader_of(origin, raters)
    if again is not None:
        given = again(raters)
    else:
        given = votes_held(origin) if raters is None else listed_raters(Votes(raters)).raters
    if len(given) != len(fusion.raters):
        raise _not_those(fusion, shape)
    mask = None if origin is None else next(iter(origin.mask.values() or []), None)
    present = None if origin is None else origin.present.values()
    seen_by: list[Any] = [None] * len(given) if present is None else present
    inside = None if mask is None else as_companion(mask, "mask", shape) != 0
    found, counted = [], []
    for place, (rater, seen) in enumerate(zip(given, seen_by, strict=True)):
        name = name_of(place, fusion.raters)
        values = np.zeros(shape, np.uint8) if rater is None else _map_of(rater, fusion, name, shape)
        counts = np.ones(shape, bool) if inside is None else inside.copy()
        counts &= True if seen is None else as_companion(seen, f"present[{place}]", shape) != 0
        counted.append(counts)
        found.append(np.where(np.isin(values, fusion.labels) & counts, values, 0))
    _check_as_fused(fusion, given, found, counted)
    looked = [
        np.zeros(shape, bool) if rater is None else one for rater, one in zip(given, counted, strict=True)
    ]
    return found, looked


def _check_as_fused(
    fusion: LabelFusion,
    given: Sequence[Any],
    maps: Sequence[NDArray[Any]],
    counted: Sequence[NDArray[np.bool_]],
) -> None:
    """Refuse votes whose sums, alone and with the consensus, are not those that the fusion found; naming the rater.

    Those of background are left out, which hold what was not read, and what lies beyond a margin.
    """
    origin = fusion._origin
    if fusion.truncation or (origin is not None and not keeps_regions(origin)):
        return  # what was dropped, or left out, is not known
    agreed = np.nan_to_num(fusion.ppv) * fusion.volume
    for code, label in enumerate(fusion.labels):
        if label == BACKGROUND:
            continue
        consensus = np.asarray(fusion.probability(label))
        sums = [
            _sums(rater, held, counts, fusion.labels, code, consensus)
            for rater, held, counts in zip(given, maps, counted, strict=True)
        ]
        fused = list(zip(fusion.volume[:, code].tolist(), agreed[:, code].tolist(), strict=True))
        check_sums(fusion.raters, sums, fused, what=f"those for label {label}")


def _sums(
    rater: Any,
    held: NDArray[Any],
    counts: NDArray[np.bool_],
    labels: Sequence[int],
    code: int,
    consensus: NDArray[Any],
) -> Sums:
    """Return Σ q and Σ w q of a label, w the consensus; ``held``: the rater's map, 0 where it does not count."""
    if rater is None:
        return 0.0, 0.0
    if isinstance(rater, SoftLabels):
        soft = rater.votes([labels[code]])[0]
    elif (given := as_array(rater, "raters")).shape == (len(labels), *consensus.shape):
        soft = np.nan_to_num(given[code])
    else:
        marked = held == labels[code]
        return float(np.count_nonzero(marked)), float(consensus[marked].sum(dtype=np.float64))
    q = np.where(counts, soft, 0).astype(np.float64)
    return float(q.sum()), float((q * consensus).sum())


def _map_of(rater: Any, fusion: LabelFusion, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    values = rater.label if isinstance(rater, SoftLabels) else as_array(rater, name)
    if values.shape[1:] == shape and values.shape[0] == len(fusion.labels):
        values = np.asarray(fusion.labels)[np.argmax(np.nan_to_num(values), axis=0)]
    if values.shape != shape:
        raise _not_those(fusion, shape)
    return np.nan_to_num(np.rint(values)) if values.dtype.kind == "f" else values


def _not_those(fusion: LabelFusion, shape: tuple[int, ...]) -> ValueError:
    return ValueError(
        f"raters: the fusion is of {counted(len(fusion.raters), 'rater')} of shape {shape}; give the votes of which it was made"
    )
