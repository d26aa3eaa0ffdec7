"""From label maps to a label table: one read of the volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backends import labels as core
from ..case import Case
from ..votes import Votes
from .chosen import Labels, checked_labels, listed
from .fuse import placed_case
from .options import LabelOptions
from .readers import Readers
from .soft.given import listed_raters, volume_axes
from .table import MISSING, LabelTable, table_of_codes


def tabulate_labels(
    votes: Votes, labels: Any, options: LabelOptions, called: Sequence[str] | None
) -> tuple[LabelTable, list[str]]:
    """Return the table of label maps, and what makes it doubtful; ``called``: the raters' names, if they have any."""
    labels = listed(labels)
    asked = checked_labels(labels)
    votes = listed_raters(votes)
    if volume_axes(votes, labels) is not None:
        raise ValueError(
            "raters hold soft votes of labels: a table holds label maps; fuse soft votes by simplified_soft_staple or "
            "majority_vote, which need no table"
        )
    options = options.checked()
    case = Case.of(votes.listed(), options.of_case())
    names = called or Readers.of(case).names
    nothing = case.mask is not None and not case.mask.any()
    if not nothing and asked is None:
        with core.refusals_explained(case, ()):
            found = core.find(case.in_memory_order(), options.missing, options.threads)
        nothing, asked = not found, Labels(tuple(found))
    if nothing:
        return _of_nothing(asked or Labels(()), names), case.remarks
    case, chosen = placed_case(case, asked, options, None)
    with core.refusals_explained(case, chosen.values):
        table = core.tabulate(case.in_memory_order(), chosen.values, options.missing, options.threads)
    codes = np.full((table.size, case.given.count), MISSING, dtype=np.int32)
    codes[:, case.given.places] = table.codes
    return table_of_codes(chosen, codes, table.counts, names), case.remarks


def _of_nothing(labels: Labels, names: Sequence[str]) -> LabelTable:
    return table_of_codes(labels, np.empty((0, len(names)), dtype=np.int32), np.empty(0), names)
