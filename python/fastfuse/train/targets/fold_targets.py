"""Training targets of each fold, by rates of the raters over the fold's own training cases.

They lie in consensus/CASE/fold_K. No case that a fold is tested on tells anything of the raters there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...cohort.msseg import Case
from ...errors import kept_warnings
from ...fusion.vote_table import VoteTable
from ..cohort.common_grid import on_grid
from ..cohort.loading import LoadedCase, load_case
from ..files import folder_of_fold
from ..options import ExperimentOptions
from .consensus import consensus_of, is_kept
from .fold_rates import FoldRates, What, check_methods, fold_rates, table_of, what_of
from .growing import SOFT, Volume, soft_votes
from .remedies import as_experiment_takes

Say = Callable[[str], None]
Tables = Mapping[What, Mapping[str, VoteTable]]


@dataclass(frozen=True)
class Training:
    """The cases that a fold trains on.

    Attributes
    ----------
    fold : int
    keys : dict of str to str
        Hash of each one's files, by name.
    """

    fold: int
    keys: dict[str, str]

    def key(self, name: str) -> str:
        """Return a hash of all files that a case's consensus depends on."""
        return hashlib.sha256(json.dumps([name, self.keys], sort_keys=True).encode()).hexdigest()


def training_of(
    keys: Mapping[str, str], folds: Sequence[Sequence[str]], chosen: Sequence[int]
) -> list[Training]:
    """Return the training cases of the chosen folds, numbered from 1; ``keys``: of all cases, by name."""
    return [
        Training(fold, {name: key for name, key in keys.items() if name not in folds[fold - 1]})
        for fold in chosen
    ]


def fuse_folds(
    cases: Sequence[Case],
    trainings: Sequence[Training],
    methods: Sequence[str],
    options: ExperimentOptions,
    folder: Path,
    say: Say,
    tell: Say,
) -> None:
    """Write the consensus of each fold's training cases, unless it is there: one read of each case to count, one to fuse."""
    missing = [one for one in trainings if not _is_there(one, methods, options, folder)]
    if not missing:
        return
    named = {case.name: case for case in cases if any(case.name in one.keys for one in missing)}
    soft = any(method in SOFT for method in methods)
    kinds = sorted({what_of(method) for method in methods})
    tables: dict[What, dict[str, VoteTable]] = {what: {} for what in kinds}
    for case, votes in _each(named.values(), options, soft=soft):
        say(f"{case.case.name}: counting votes")
        for what in kinds:
            table = table_of(case, what, votes, options.consensus)
            check_methods(methods, table, case.case.name)
            tables[what][case.case.name] = table
    rates = [_rates(one, tables, methods, options, tell) for one in missing]
    for case, votes in _each(named.values(), options, soft=soft):
        name = case.case.name
        for one, known in zip(missing, rates, strict=True):
            if name in one.keys:
                place = folder_of_fold(folder, name, one.fold)
                consensus_of(
                    case, methods, options.consensus, place, key=one.key(name), rates=known, soft=votes, say=say, tell=tell
                )  # fmt: skip


def _is_there(training: Training, methods: Sequence[str], options: ExperimentOptions, folder: Path) -> bool:
    return all(
        is_kept(folder_of_fold(folder, name, training.fold), methods, options.consensus, training.key(name))
        for name in training.keys
    )


def _each(
    cases: Iterable[Case], options: ExperimentOptions, *, soft: bool
) -> Iterator[tuple[LoadedCase, Sequence[Volume]]]:
    """Read each case, on the one grid if there is one, with the votes of masks that have grown."""
    for case in cases:
        loaded = on_grid(load_case(case, fix_flips=options.fix_flips, gaps=True), options.grid).loaded
        with kept_warnings():  # each case's own consensus has told them
            votes = soft_votes(loaded, options.consensus) if soft else ()
        yield loaded, votes


def _rates(
    training: Training, tables: Tables, methods: Sequence[str], options: ExperimentOptions, tell: Say
) -> FoldRates:
    of_fold = {what: {name: by_case[name] for name in training.keys} for what, by_case in tables.items()}
    with kept_warnings() as caught:
        found = fold_rates(training.fold, of_fold, methods, options.consensus)
    for remark in dict.fromkeys(as_experiment_takes(warning) for warning in caught):
        tell(f"warning: fold {training.fold}, raters pooled: {remark}")
    return found
