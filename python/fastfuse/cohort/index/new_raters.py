"""A case to which raters came: their files alone are read, and their votes divide the patterns that are there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...files.votes import ready_votes
from ...fusion.masses.table import MassTable
from ...fusion.tabulate import table_and_case
from ...fusion.vote_table import VoteTable
from ..cases import CohortCase
from ..place import Record, print_of
from ..settings import Settings, key_of
from .vote_index import VoteIndex, votes_of

MOST_PATTERNS = 1 << 17  # as of a table


@dataclass(frozen=True)
class Grown:
    """A case's table with the votes of new raters, its index, and what both were made of."""

    table: VoteTable
    index: VoteIndex
    record: Record


def may_grow(settings: Settings) -> bool:
    """Tell whether one rater's votes, and the region, are the same whoever else read the case."""
    options = settings.method_row, settings.fusion_options
    plain = not (settings.of_labels or settings.soften or settings.method_row.grows)
    return plain and options[1].checked().of_method(options[0]).roi == "all" and options[1].scale != "auto"


def grown(case: CohortCase, settings: Settings, index: Path, before: Record) -> Grown | None:
    """Return the table of a case to which raters came; None where all files are to be read.

    That is where other files changed, options are others, there is no index, a new file has voxels elsewhere, or votes do not
    repeat.
    """
    files = settings.files_of(case)
    new = [place for place, rater in enumerate(case.raters) if f"rater {rater}" not in before.files]
    old = {what: path for what, path in files.items() if what in before.files}
    if not new or len(old) + len(new) != len(files) or not before.is_of(old) or not may_grow(settings):
        return None
    held = VoteIndex.at(index, before.key) if before.key == key_of(settings, before.files) else None
    if held is None:
        return None
    alone = replace(
        case, raters=tuple(case.raters[place] for place in new), paths=tuple(case.paths[place] for place in new), mask=None,
        image=None,
    )  # fmt: skip
    prints = {what: before.files.get(what) or print_of(path) for what, path in files.items()}
    ready = ready_votes(*settings.mask_job(alone, index, settings.placing_of(case)), lambda _: None)
    if not held.is_of(ready.inputs.grid):
        return None
    inside = None if held.rows.all() else np.asarray(held.rows > 0)
    votes, names = replace(ready.votes, mask=inside), list(alone.raters)
    table, read = table_and_case(votes, settings.of_reading(ready.fusing), names, by_masses=True)
    if isinstance(table, MassTable):
        return None
    joined = held.joined(votes_of(read, ready.label), names)
    if len(joined.patterns) > MOST_PATTERNS:
        return None
    remarks = dict.fromkeys((*before.remarks, *ready.inputs.remarks, *read.remarks))
    record = Record(key_of(settings, prints), prints, tuple(remarks))
    return Grown(joined.table(list(case.raters)), joined, record)
