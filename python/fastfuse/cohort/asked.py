"""What is asked of a cohort: which cases, where to, how, and which part of the work."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import CohortError, said
from ..files.report import check_own_report
from ..fusion.backends.decisions import check_decisions
from ..images.outputs import made_folder
from ..inputs.threads import cores
from ..streaming.executors import is_of_dask
from .cases import CohortCase, find_cohort
from .settings import Settings
from .workers.crew import Crew


@dataclass(frozen=True)
class Asked:
    """Which cases, where to, how, and which part of the work."""

    cohort: Path
    out: Path
    settings: Settings
    glob: str | None = None
    table: Path | None = None
    split: str = "Training"
    shard: tuple[int, int] | None = None
    merge: bool = False
    apply: bool = False
    refresh: bool = False
    keep_index: bool = False
    report: Path | None = None
    decisions: Path | None = None

    def cases(self) -> list[CohortCase]:
        """Return all cases, sorted."""
        return find_cohort(self.cohort, glob=self.glob, table=self.table, split=self.split)

    def check(self) -> None:
        """Refuse parts of the work that do not go together."""
        if self.report is not None and self.shard is not None:
            raise CohortError("report is given: it is of all cases; give it to the step with merge (--merge)")
        if self.merge and (self.shard is not None or self.apply):
            raise CohortError(
                "merge is set: it is a step by itself, after all shards; leave shard and apply out"
            )
        if self.apply and self.shard is None:
            raise CohortError(
                "apply is set: it is for a shard; give shard=(i, N) (--shard i/N) too, or leave it out"
            )
        if self.shard is not None and self.settings.pool == "none" and not self.apply:
            raise CohortError(
                "pool is 'none': a shard has no tables to share; give apply (--apply) too, and every shard fuses its cases"
            )
        if self.decisions is not None and not self.settings.of_labels:
            check_decisions(self.settings.method_row, self.settings.fusion_options, ())
        if self.decisions is not None and (self.merge or (self.shard is not None and not self.apply)):
            raise CohortError(
                "decisions are given: they are for the step that writes consensuses; give them with apply (--apply)"
            )
        beside = self.report is not None and self.report.parent.resolve() == self.out.resolve()
        with made_folder(self.out) if beside else nullcontext():
            check_own_report(self.report)


def settings_for(settings: Settings, crew: Crew) -> Settings:
    """Divide the threads among the workers, unless they are given; name files so that all workers find them."""
    if settings.label_names is not None:
        settings = replace(settings, label_names=str(crew.path(Path(settings.label_names))))
    of_dask = is_of_dask(crew.executor)
    if settings.options.threads or (crew.workers <= 1 and not of_dask):
        return settings
    threads = (
        1 if of_dask else max(1, cores() // crew.workers)
    )  # a worker of dask has its threads counted on its machine
    return replace(settings, options=replace(settings.options, threads=threads))


def checked_shard(shard: Any) -> tuple[int, int] | None:
    """Return which part of how many; refuse one that there is not."""
    if shard is None:
        return None
    try:
        part, parts = (int(one) for one in shard)
    except (TypeError, ValueError):
        raise ValueError(
            said(f"shard is {shard!r}: give (i, N), the i-th of N parts, as (1, 8) (--shard 1/8)")
        ) from None
    if not 1 <= part <= parts:
        raise ValueError(f"shard is {part}/{parts}: the part must be from 1 to {parts}")
    return part, parts
