"""The rows of a table over several runs: a method and its target, with the runs of all seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import FastfuseError
from ..options import TARGETS, ExperimentOptions
from ..options.checking import flat
from .failures import Failure
from .measures import CALIBRATION, Key
from .reliability import Reliability
from .scores import Score, case_means

TITLES = {
    "staple": "STAPLE",
    "dilated-staple": "Dilated STAPLE",
    "soft-staple": "Soft STAPLE",
    "simplified-soft-staple": "Soft STAPLE Simplified",
    "border-staple": "Border STAPLE",
}
BASELINE = TITLES["staple"]
APART = ("seed", "methods", "preset", "training.target", "training.save_every_s")
"""Options in which runs of one row may differ, besides those of the evaluation; a row's title names its target."""


@dataclass(frozen=True)
class Scored:
    """What a run came to.

    Attributes
    ----------
    name : str
        Of the run, for messages.
    options : ExperimentOptions
    folds : list of list of str
        The cases of each fold.
    scores : list of Score
    reliability : dict of (method, case) to Reliability
    failures : list of Failure
    small : dict of str to (int, int)
        By case: lesions of STAPLE's mask below the limit of components, and all of them.
    remarks : list of str
        What else a reader of the table should know.
    """

    name: str
    options: ExperimentOptions
    folds: list[list[str]]
    scores: list[Score]
    reliability: dict[tuple[str, str], Reliability]
    failures: list[Failure] = field(default_factory=list)
    small: dict[str, tuple[int, int]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def of(self, method: str) -> Scored:
        """Return what concerns one method."""
        return replace(
            self,
            scores=[score for score in self.scores if score.method == method],
            reliability={key: one for key, one in self.reliability.items() if key[0] == method},
            failures=[failure for failure in self.failures if failure.method == method],
        )


@dataclass(frozen=True)
class Entry:
    """A row: networks of one method and target, by seed."""

    title: str
    method: str
    by_seed: dict[int, Scored]

    @property
    def cases(self) -> list[str]:
        """All cases, fold by fold."""
        return [case for fold in next(iter(self.by_seed.values())).folds for case in fold]

    def values(self, key: Key, seeds: Sequence[int] | None = None) -> NDArray[np.float64]:
        """Return a measure of each seed and case, nan where it is undefined or there is no prediction."""
        chosen = list(self.by_seed) if seeds is None else seeds
        rows = [_values_of(self.by_seed[seed], key) for seed in chosen]
        return np.array([[row.get(case, np.nan) for case in self.cases] for row in rows])


def _values_of(scored: Scored, key: Key) -> dict[str, float]:
    experts, measure = key
    if measure in CALIBRATION:
        return {case: getattr(one, measure) for (_, case), one in scored.reliability.items()}
    return case_means(scored.scores, measure, experts)


def entries_of(runs: Sequence[Scored]) -> list[Entry]:
    """Return the rows of several runs in the order of Table 1, those of the usual target first.

    Runs whose options differ in more than seed and target have rows of their own, whose titles name the difference.

    Raises
    ------
    FastfuseError
        If two runs are of the same options and seed.
    """
    identities = [_identity(run.options) for run in runs]
    varying = [name for name in identities[0] if len({str(one[name]) for one in identities}) > 1]
    found: dict[tuple[int, str], Entry] = {}
    for run, identity in zip(runs, identities, strict=True):
        for method in run.options.methods:
            title = title_of(method, run.options) + _suffix(identity, varying)
            entry = found.setdefault((TARGETS.index(method), title), Entry(title, method, {}))
            _add(entry, run)
    order = sorted(found, key=lambda place: place[0])  # of one method, in the order of the runs
    return [found[place] for place in order]


def title_of(method: str, options: ExperimentOptions) -> str:
    """Return a method's title, with the target if it is not the usual one."""
    usual = "binary" if method == "staple" else "soft"
    target = usual if options.training.target == "method" else options.training.target
    return TITLES[method] + ("" if target == usual else f", {target} target")


def _identity(options: ExperimentOptions) -> dict[str, Any]:
    facts = flat(asdict(options))
    return {
        name: value
        for name, value in facts.items()
        if name not in APART and not name.startswith("evaluation.")
    }


def _suffix(identity: Mapping[str, Any], varying: Sequence[str]) -> str:
    told = ", ".join(f"{name.rpartition('.')[2]}={identity[name]}" for name in varying)
    return f" ({told})" if told else ""


def _add(entry: Entry, run: Scored) -> None:
    """Add a run to a row; one that trained the same networks for another row's target is left out."""
    seed = run.options.seed
    other = entry.by_seed.get(seed)
    if other is None:
        entry.by_seed[seed] = run.of(entry.method)
    elif other.options.training.target == run.options.training.target:
        raise FastfuseError(
            f"{other.name} and {run.name} are two runs of {entry.title} with seed {seed}: give one of them"
        )


def known_failures(entry: Entry) -> list[tuple[int, Failure]]:
    """Return all failures of a row, with their seeds."""
    return [(seed, failure) for seed, run in entry.by_seed.items() for failure in run.failures]
