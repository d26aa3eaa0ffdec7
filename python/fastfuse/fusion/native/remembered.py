"""Notes in a fusion where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ...inputs.arrays import name_of
from ..option_checks import is_map
from ..options import Options
from ..registry import METHODS, Method
from ..result import Fusion
from ..votes import Votes
from .kind import in_memory, kind_of
from .origin import NOTHING, Held, Origin

SELECTING = ("select_label", "binarize", "threshold", "scale", "missing")
OF_CASE = (*SELECTING, "roi", "spacing_mm", "evidence")


def with_origin(
    fusion: Fusion,
    votes: Votes,
    options: Options,
    remarks: Sequence[str],
    image: Any = None,
    *,
    here: Options | None = None,
) -> Fusion:
    """Note in a new fusion where it comes from, and return it; ``votes`` are listed, options checked.

    ``image`` was given beside them; ``here``: options of these votes, where the others are those of an estimate.
    """
    if here is not None:
        options = replace(options, **{name: getattr(here, name) for name in OF_CASE})
    method = next(row for row in METHODS if row.name == fusion.method)
    known = replace(options, prior=cast("Any", "a map")) if is_map(options.prior) else options
    image = votes.image if image is None else image
    held, mask, present = held_of(votes)
    origin = Origin(
        kind=kind_of(votes.raters),
        names=tuple(name_of(i, votes.names) for i in range(len(votes.raters))),
        options={**known.told(method), "device": options.device or "cpu"},
        remarks=tuple(remarks),
        masked=votes.mask is not None,
        partial=votes.present is not None,
        whole=_are_whole(method, votes.raters, options),
        selection={name: getattr(options, name) for name in SELECTING},
        held=held,
        mask=mask,
        present=present,
        decided=None if votes.decisions is None else voxels_decided(in_memory(votes.decisions)),
        beside=NOTHING if image is None else Held([image]),
    )
    object.__setattr__(fusion, "_origin", origin)  # nobody else has it yet
    return fusion


def held_of(votes: Votes) -> tuple[Held, Held, Held]:
    """Return what the caller holds of votes that are listed: the raters, the mask, and where raters looked."""
    return (
        Held(votes.raters, votes.stacks.get("raters")),
        NOTHING if votes.mask is None else Held([votes.mask]),
        NOTHING
        if votes.present is None
        else Held(list(cast("Sequence[Any]", votes.present)), votes.stacks.get("present")),
    )


def voxels_decided(decisions: NDArray[Any]) -> dict[str, int]:
    """Return how many voxels decisions make foreground, and background."""
    kinds = {"foreground": 1, "background": 0}
    return {what: int(np.count_nonzero(decisions == value)) for what, value in kinds.items()}


def _are_whole(method: Method, raters: Sequence[Any], options: Options) -> bool:
    if method.votes == "binary" or options.core_label is not None:
        return True
    given = [rater for rater in raters if rater is not None]
    return not options.selects and all(
        isinstance(rater, np.ndarray) and rater.dtype.kind in "bui" for rater in given
    )
