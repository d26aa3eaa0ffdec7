"""A cohort on one screen: count each case, pool the raters' rates, write each consensus, tell it in tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import FastfuseError, OutputError
from ..fusion.labels.table import LabelTable
from ..fusion.methods.pool import pooled
from ..fusion.pooled.estimate import PooledEstimate
from ..fusion.vote_table import VoteTable
from ..images.outputs import write_all
from ..images.paths import recorded, shown
from ..images.sidecar import json_of, read_sidecar, sidecar_bytes
from ..inputs.names import counted, enumerated
from .cases import CohortCase
from .estimate_file import Saved, read_estimate, saved_of
from .place import Place, Record, changed_outputs
from .review.decided import CohortDecisions
from .settings import Settings, digest_of, key_of
from .tasks import Counted, Failed, Task, count_case, outputs_of, write_case
from .told.sidecars import cases_told, distance, facts_at, warnings_of
from .told.tables import (
    RaterRow,
    csvs,
    deviations_of,
    draw,
    quality_csv,
    quality_in,
    rater_rows,
    reads_in,
    rows_of_sidecars,
    said_of_intervals,
    stacked_in,
)
from .workers.crew import Crew, answers

Say = Callable[[str], None]
STALE = "rests on rates that were estimated before these"


@dataclass
class Progress:
    """What has come of the cases so far.

    Attributes
    ----------
    in_words : callable
        Makes of why a case failed what is said of it.
    failed : dict
        Why a case could not be done, by its name.
    counted, written : list of str
        Cases whose files were read into a table, and whose consensus was written, in this run.
    skipped : list of str
        Cases that were there already.
    stale : dict
        How far the rates that a case's consensus rests on are from the last ones, by its name; of cases that rest on earlier ones.
    remarks : dict
        What is doubtful about a case.
    outdated : list of str
        Cases that failed now, and whose consensus of an earlier run is still there.
    gone : list of str
        Names of which there are outputs, and no case any more.
    """

    say: Say
    total: int
    place: Place
    in_words: Callable[[str], str] = str
    failed: dict[str, str] = field(default_factory=dict)
    counted: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    stale: dict[str, float] = field(default_factory=dict)
    remarks: dict[str, list[str]] = field(default_factory=dict)
    outdated: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def fail(self, one: Failed) -> None:
        """Keep a failure; one of the outputs ends the run, since no other case could be written either."""
        if one.of_output:
            raise OutputError(one.reason)
        reason, consensus = self.in_words(one.reason), self.place.consensus(one.case)
        if consensus.is_file():
            self.outdated.append(one.case)
            reason += (
                f"; {shown(consensus.parent)} still holds the consensus of an earlier run, of the files and options that its "
                "consensus.json tells"
            )
        self.failed[one.case] = reason
        self.say(f"{one.case}: failed: {reason}")


def count_cases(
    cases: Iterable[CohortCase],
    settings: Settings,
    place: Place,
    crew: Crew,
    so_far: Progress,
    *,
    keep_index: bool = False,
) -> dict[str, Record]:
    """Make the table of each case that has none of its present files; return what each was made of.

    ``keep_index``: also keep which pattern each voxel has, and begin there where raters came.
    """
    done: dict[str, Record] = {}
    tasks = []
    for case in cases:
        record = _kept_record(case.name, settings, place, so_far.say)
        if record is not None and _holds(record, case, settings):
            done[case.name] = record
            continue
        index = place.index(case.name) if keep_index else None
        tasks.append(Task(case, settings, place.consensus(case.name), index, record))
    with closing(answers(count_case, tasks, crew)) as found:
        for answer in found:
            if isinstance(answer, Failed):
                so_far.fail(answer)
                continue
            done[answer.case] = kept(answer, place, is_first=not so_far.counted)
            so_far.counted.append(answer.case)
            so_far.say(f"{answer.case}: counted")
    for name, record in done.items():
        so_far.remarks.setdefault(name, []).extend(record.remarks)
    return dict(sorted(done.items()))


def _kept_record(case: str, settings: Settings, place: Place, say: Say) -> Record | None:
    """Return what a case's table was made of; None without one, or where it is damaged, which is said."""
    record = place.kept_record(case, with_table=settings.pools)
    if record is None or not settings.pools:
        return record
    try:
        load_tables([case], settings, place)
    except FastfuseError as error:
        say(f"{case}: counted again: {error}")
        return None
    return record


def _holds(record: Record, case: CohortCase, settings: Settings) -> bool:
    """Tell whether a record is of the case's files and these options."""
    return record.is_of(settings.files_of(case)) and record.key == key_of(settings, record.files)


def kept(answer: Counted, place: Place, *, is_first: bool) -> Record:
    """Write a table, and last what it was made of; keep that which is there already. The first of a run tidies up."""
    record = answer.record
    if answer.content is None:
        before = Record.at(place.record(answer.case))
        record = record if before is None else replace(record, remarks=before.remarks)
        write_all({place.record(answer.case): record.as_bytes()}, tidy=is_first)
    else:
        index = {} if answer.index is None else {place.index(answer.case): answer.index}
        files = {place.table(answer.case): answer.content, place.record(answer.case): record.as_bytes()}
        write_all({**index, **files}, tidy=is_first)
    return record


def load_tables(names: Iterable[str], settings: Settings, place: Place) -> dict[str, Any]:
    """Return the tables of cases, by name."""
    kind: type[VoteTable | LabelTable] = LabelTable if settings.of_labels else VoteTable
    return {name: kind.load(place.table(name)) for name in sorted(names)}


def estimate_cases(
    tables: Mapping[str, Any], records: Mapping[str, Record], settings: Settings, place: Place
) -> tuple[Saved, list[str]]:
    """Pool the tables; return the estimate, and what is doubtful.

    An estimate that is there already is kept, if it is of the same tables; else EM begins at it, if it was asked for alike.
    """
    of = {name: records[name].key for name in tables}
    before = _before(place, settings)
    if before is not None and before.of == of:
        return before, list(before.remarks)
    resamples = len(tables) > 1 and settings.table_method.estimates
    options = replace(settings.fusion_options, evidence=False)  # which is a voxel's, and no table's
    if resamples:
        options = replace(settings.options, intervals="bootstrap", evidence=False)
    start = before.estimate if before is not None and isinstance(before.estimate, PooledEstimate) else None
    if start is not None and start._rates is None:
        start = None
    found, remarks = pooled(
        tables, settings.table_method.name, options, settings.priors,
        asked=settings.asked_labels if settings.of_labels else None, start=start,
    )  # fmt: skip
    write_all({place.estimate: saved_of(found, settings, of, remarks).as_bytes()})
    return read_estimate(place.estimate), remarks


def _before(place: Place, settings: Settings) -> Saved | None:
    """Return the estimate that is there, if it was asked for alike."""
    if not place.estimate.is_file():
        return None
    try:
        before = read_estimate(place.estimate)
    except FastfuseError:
        return None  # of another version, or damaged: it is made anew
    return before if before.settings.of_all == settings.of_all else None


def write_cases(
    cases: Iterable[CohortCase],
    records: Mapping[str, Record],
    saved: Saved | None,
    settings: Settings,
    place: Place,
    crew: Crew,
    so_far: Progress,
    *,
    refresh: bool = False,
    are_new: bool = False,
    decisions: CohortDecisions | None = None,
) -> None:
    """Write the consensus of each case that has none; with ``refresh`` also where the rates have changed since.

    ``are_new``: the cases are none of those that the rates are from.
    """
    tasks, keys, decisions = [], {}, decisions or CohortDecisions()
    for case in cases:
        if case.name not in records:
            continue
        own = [decisions.lines[case.name]] if case.name in decisions.lines else []
        keys[case.name] = digest_of(settings.of_all, records[case.name].key, *own)
        made = _made_before(case.name, settings, place, so_far.say)
        if made.get("key") == keys[case.name]:
            if saved is None or made.get("rates") == saved.digest:
                so_far.skipped.append(case.name)
                so_far.remarks[case.name] = warnings_of(facts_at(case.name, place))
                continue
            if not refresh:
                facts = facts_at(case.name, place)
                so_far.stale[case.name] = distance(facts, saved.estimate)
                so_far.remarks[case.name] = warnings_of(facts)
                continue
        estimate = None if saved is None else place.estimate
        consensus, decided = place.consensus(case.name), decisions.of_case(case.name)
        tasks.append(Task(case, settings, consensus, estimate=estimate, is_new=are_new, decisions=decided))
    rates = None if saved is None else saved.digest
    with place.made_cases(), closing(answers(write_case, tasks, crew)) as found:
        for answer in found:
            if isinstance(answer, Failed):
                so_far.fail(answer)
                continue
            outputs = {name: asdict(one) for name, one in sorted(answer.outputs.items())}
            made = {"key": keys[answer.case], "rates": rates, "outputs": outputs}
            write_all({place.made(answer.case): sidecar_bytes(made)})
            so_far.written.append(answer.case)
            so_far.remarks[answer.case] = list(answer.remarks)
            so_far.say(f"{answer.case}: fused")


def _made_before(case: str, settings: Settings, place: Place, say: Say) -> dict[str, Any]:
    """Return what the consensus that is there was made of; nothing if it is not all there, or was changed, which is said."""
    made = json_of(place.made(case))
    there = all(path.is_file() for path in outputs_of(place.consensus(case), settings))
    if not there or not isinstance(made, dict):
        return {}
    changed = changed_outputs(place.made(case), made.get("outputs"))
    if changed:
        say(f"{case}: written anew: {enumerated(changed)} changed since it was written")
        return {}
    return made


def tell_cases(
    names: Iterable[str], saved: Saved | None, settings: Settings, place: Place
) -> tuple[list[RaterRow], list[Path], list[str]]:
    """Write the tables of the cohort; return the rows of the raters, the files, and what is doubtful of raters."""
    if saved is None:
        tables, deviations = {}, {}
        rows = [] if settings.of_labels else _rows_of_cases(names, settings, place)
    else:
        tables = load_tables(names, settings, place)
        rows, deviations = (
            rater_rows(saved.estimate, reads_in(tables), tables),
            deviations_of(saved.estimate, tables),
        )
    found = None if saved is None else saved.estimate
    stacked = stacked_in(tables, found)
    quality = quality_in(tables, deviations, settings, stacked)
    priors = {}
    if isinstance(found, PooledEstimate):
        priors = dict(zip(found.cases, found.prior.tolist(), strict=True))
    files = {
        place.out / name: content for name, content in csvs(rows, deviations, tables, priors, stacked).items()
    }
    files |= {} if quality is None else {place.out / "quality.csv": quality_csv(quality)}
    write_all(files)
    figure = place.out / "raters_by_cases.png"
    remarks = [] if quality is None else quality.remarks
    remarks += said_of_intervals(rows) if saved is None else []  # of an estimate, it said so
    return rows, [*files, *([figure] if draw(figure, deviations) else [])], remarks


def tell_sidecars(
    records: Mapping[str, Record], place: Place, rates: str | None = None
) -> tuple[dict[str, Any], list[Path], list[str]]:
    """Return what the cases' sidecars say, the table that was written of it, and what is doubtful of cases.

    ``rates``: only of consensuses that rest on these.
    """
    told = cases_told(records, place, rates)
    files = {place.out / name: content for name, content in told.csv.items()}
    write_all(files)
    return told.facts, [*files], told.remarks


def _rows_of_cases(names: Iterable[str], settings: Settings, place: Place) -> list[RaterRow]:
    """Return what the cases tell, each by itself."""
    there = [name for name in names if place.consensus(name).is_file()]
    sidecars = {name: read_sidecar(place.consensus(name)) for name in there}
    return rows_of_sidecars(sidecars, settings.options.replicates, settings.options.seed) if sidecars else []


def facts_of(
    so_far: Progress, rows: Iterable[RaterRow], saved: Saved | None, settings: Settings, files: Iterable[Path]
) -> dict[str, Any]:
    """Return what came of a cohort, as plain data."""
    from importlib.metadata import version

    made = None if saved is None else saved.estimate
    return {
        "fastfuse": version("fastfuse"),
        "settings": settings.as_json(),
        "cases": so_far.total,
        "counted": sorted(so_far.counted),
        "fused": sorted(so_far.written),
        "skipped": sorted(so_far.skipped),
        "of_earlier_rates": sorted(so_far.stale),
        "failed": dict(sorted(so_far.failed.items())),
        "failed_with_an_earlier_consensus": sorted(so_far.outdated),
        "no_longer_in_the_cohort": so_far.gone,
        "estimate": None
        if made is None
        else {
            "n_iter": made.n_iter,
            "converged": made.converged,
            "priors": getattr(made, "priors", "shared"),
        },
        "raters": [row.facts() for row in rows],
        "warnings": {name: remarks for name, remarks in sorted(so_far.remarks.items()) if remarks},
        "files": [recorded(path) for path in files],
    }


def lacking(cases: Iterable[CohortCase], records: Mapping[str, Record]) -> list[Failed]:
    """Return the cases that have no table yet."""
    why = (
        "has no table of these files and options: its shard has not counted it, could not, was given other options than the merge, "
        "or the table is damaged; let it count again"
    )
    return [Failed(case.name, why) for case in cases if case.name not in records]


def done_already(cases: Iterable[CohortCase], settings: Settings, place: Place) -> dict[str, Record]:
    """Return what the tables that are there were made of, without those of other files or options."""
    found = {}
    for case in cases:
        record = _kept_record(case.name, settings, place, lambda _: None)
        if record is not None and _holds(record, case, settings):
            found[case.name] = record
    return dict(sorted(found.items()))


def said_of_stale(so_far: Progress) -> list[str]:
    """Say which consensuses rest on earlier rates, and how far those are away."""
    if not so_far.stale:
        return []
    away = [one for one in so_far.stale.values() if not math.isnan(one)]
    far = f", at most {max(away):.2g} away from the last ones" if away else ""
    which = f"the consensus of {counted(len(so_far.stale), 'case')} {STALE}{far}"
    return [f"{which}: --refresh (refresh=True) writes them anew"]
