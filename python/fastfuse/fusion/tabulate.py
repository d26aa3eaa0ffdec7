"""From votes to a vote table: one read of the volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from ..errors import warn
from ..inputs.arrays import name_of
from ..inputs.checks import Labels, Scale
from ..inputs.kinds import RatersLike, Sides, VoxelsLike
from ..inputs.names import check_count_of_names, listed_names
from ..inputs.threads import remarks_on_threads
from .backends.cpu import masses, tabulated
from .backends.found import CoreTable
from .case import Case
from .declared import documented
from .labels.declared import AskedLabels, LabelRoi, LabelsLike
from .labels.options import LabelOptions
from .labels.table import LabelTable
from .labels.tabulate import tabulate_labels
from .masses.table import BEYOND, MassTable
from .methods.common import check_of_label_maps
from .options import Missing, Options, Roi
from .registry import method_called
from .streamed.declared import Memory
from .streamed.seam import streams
from .vote_table import VoteTable
from .votes import ENTRIES, Votes

TOO_MANY = (
    "the votes have more distinct patterns than a table holds (131,072), as probabilities of a network do: round them "
    "first, as in np.round(votes, 1), or make masks of them by threshold=0.5"
)


@overload
def tabulate(
    raters: RatersLike,
    *,
    axis: int | None = None,
    mask: VoxelsLike | None = None,
    roi: Roi = "all",
    spacing_mm: Sides | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    threads: int = 0,
    max_memory: Memory = None,
    executor: Any = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    names: Sequence[str] | None = None,
    labels: None = None,
) -> VoteTable: ...


@overload
def tabulate(
    raters: RatersLike,
    *,
    axis: int | None = None,
    mask: VoxelsLike | None = None,
    roi: LabelRoi = "all",
    spacing_mm: Sides | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    threads: int = 0,
    names: Sequence[str] | None = None,
    labels: LabelsLike,
) -> LabelTable: ...


@documented(ENTRIES)
def tabulate(
    raters: RatersLike,
    *,
    axis: int | None = None,
    mask: VoxelsLike | None = None,
    roi: Roi = "all",
    spacing_mm: Sides | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    threads: int = 0,
    max_memory: Memory = None,
    executor: Any = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    names: Sequence[str] | None = None,
    labels: LabelsLike | None = None,
) -> VoteTable | LabelTable:
    """Count how often each pattern of votes occurs: all that STAPLE and its kin need to know of a volume.

    Tables of several cases, or of parts of one, add up; :func:`estimate` estimates the raters' performance from one.
    Votes are compared as numbers: 0.3 in float32 and in float64 are two of them, and make two patterns. Give all parts of
    a rater's votes in one type, as by ``votes.astype("float32")``.

    Parameters
    ----------
    {options}

    Returns
    -------
    VoteTable or LabelTable
        Votes with more than 131,072 distinct patterns, as probabilities of a network have, make a vote table that holds the masses
        of binary patterns in the place of counts (``fastfuse.fusion.masses.table.MassTable``): all that soft-STAPLE needs
        of them. It takes two reads. Other methods have no finite table of such votes. A :class:`LabelTable` of label maps, if ``labels`` are given. With a column for each rater, of missing votes where the rater is None. It holds 0 voxels where the region has
        none, as with an empty mask: such a table adds nothing to a sum.

    Raises
    ------
    ValueError
        If the votes have more than 131,072 distinct patterns, and more than 12 raters. And, naming the rater
        and the value, for shapes that differ, a vote outside [0, 1], a nan or infinity, an empty volume, an option out
        of range; and for ``names`` that do not name each rater.
    TypeError
        For what is no array of booleans, integers or floats, and no list of names.

    Warns
    -----
    FusionWarning
        For images whose grids differ by up to a tenth of a voxel.

    Examples
    --------
    >>> import fastfuse
    >>> fastfuse.tabulate([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]])
    VoteTable(3 raters, 4 voxels, 3 patterns)
      voxels  votes of rater 0, rater 1, rater 2
           2  1 1 1
           1  0 0 0
           1  0 1 0
    """
    called = listed_names(names)
    given = Votes(raters, mask, present, axis=axis, names=called)
    options = Options(
        roi=roi,
        spacing_mm=spacing_mm,
        missing=missing,
        threads=threads,
        max_memory=max_memory,
        executor=executor,
        select_label=select_label,
        binarize=binarize,
        threshold=threshold,
        scale=scale,
    )
    if labels is not None:
        check_of_label_maps(options)
        of_labels = LabelOptions.of(options, AskedLabels(labels))
        found, remarks = tabulate_labels(given, labels, of_labels, called)
        warn(remarks + remarks_on_threads())
        return found
    table, remarks = table_of(given, options, called, by_masses=True)
    warn(remarks)
    return table


def table_of(
    votes: Votes, options: Options, called: Sequence[str] | None, *, by_masses: bool = False
) -> tuple[VoteTable, list[str]]:
    """Return the table of votes, and what makes it doubtful; ``called``: the names that it gives the raters.

    ``by_masses``: of votes that have too many distinct patterns, their masses.
    """
    options, votes = options.checked(), votes.listed()
    if streams(votes, options, lazily=True):
        return _table_of_blocks(votes, options, called, by_masses=by_masses)
    table, case = table_and_case(votes, options, called, by_masses=by_masses)
    return table, case.remarks + remarks_on_threads()


def _table_of_blocks(
    votes: Votes, options: Options, called: Sequence[str] | None, *, by_masses: bool
) -> tuple[VoteTable, list[str]]:
    """Return the same of votes that are read block by block."""
    from .streamed.dense import DenseVotes
    from .streamed.given import Streamed
    from .streamed.pipeline import counted

    check_count_of_names(called, len(votes.raters))
    given, remarks = Streamed.of(votes, method_called("soft-staple"), options)
    table = counted(given, options, may_be_empty=True, by_masses=by_masses)[1]
    if isinstance(table, DenseVotes):
        names = called or [name_of(i, None) for i in range(given.count)]
        return table.table(given.places, names), remarks + remarks_on_threads()
    patterns = np.full((len(table.counts), given.count), np.nan)
    patterns[:, given.places] = table.patterns
    return VoteTable(patterns, table.counts, called), remarks + remarks_on_threads()


def table_and_case(
    votes: Votes, options: Options, called: Sequence[str] | None, *, by_masses: bool = False
) -> tuple[VoteTable, Case]:
    """Return the table of votes, and the votes that were read."""
    options = options.checked()
    case = Case.of(votes.listed(), options)
    check_count_of_names(called, case.given.count)
    case, table = tabulated(case, options)
    if table is None and by_masses:
        found = masses(case, options)
        if found is None:
            raise ValueError(BEYOND)
        names = called or [name_of(i, None) for i in range(case.given.count)]
        return MassTable.of_core(found, case.given.places, names), case
    if table is None:
        raise ValueError(TOO_MANY)
    return _for_all(table, case, called), case


def _for_all(table: CoreTable, case: Case, names: Sequence[str] | None) -> VoteTable:
    """Return the table with a column for each rater who did not read the case, too."""
    patterns = np.full((len(table.counts), case.given.count), np.nan)
    patterns[:, case.given.places] = table.patterns
    return VoteTable(patterns, table.counts, names)
