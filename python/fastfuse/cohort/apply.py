"""``apply_cohort``: an estimate of one cohort, applied to the cases of another."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..errors import CohortError
from ..fusion.labels.estimate import LabelEstimate
from ..fusion.labels.pooled.estimate import PooledLabelEstimate
from ..fusion.options import Options
from ..images.outputs import write_all
from ..images.paths import shown
from ..images.sidecar import sidecar_bytes
from ..inputs.names import enumerated
from .asked import settings_for
from .cases import find_cohort
from .estimate_file import Saved, read_estimate, saved_of
from .fuse import CohortFusion, Say, ended
from .place import Place
from .placing import OF_ESTIMATE, check_rater_of_grid, checked_grid
from .run import Progress, count_cases, tell_sidecars, write_cases
from .settings import Settings
from .standing import check_maker, said_of_gone
from .told.belief import on_belief_in
from .told.like_names import said_of_like_names
from .workers.crew import Crew


@dataclass(frozen=True)
class AskedToApply:
    """Which estimate, to which cases, and where to.

    Attributes
    ----------
    estimate : Path
    cohort, out : Path
    glob, table, split
        As of :func:`fastfuse.fuse_cohort`.
    called : dict
        What the estimate calls each rater, by their names: of a merged one, their pseudonyms.
    placed : dict
        Of ``grid``, ``resample`` and ``use`` those that are to be others than the estimate's.
    """

    estimate: Path
    cohort: Path
    out: Path
    glob: str | None = None
    table: Path | None = None
    split: str = "Training"
    called: Mapping[str, str] | None = None
    placed: Mapping[str, Any] = field(default_factory=dict)


def applied_cohort(asked: AskedToApply, crew: Crew, say: Say) -> tuple[CohortFusion, list[str]]:
    """Write the consensus of each case by the rates of an estimate: one read, no EM but on a case's own prior.

    Of another estimate than before, all are written anew.
    """
    check_maker(asked.out, "apply")
    saved = read_estimate(asked.estimate)
    if asked.called:
        saved = _renamed(saved, asked.called, asked.estimate)
    asked = replace(asked, cohort=crew.path(asked.cohort), out=crew.path(asked.out))
    placed = {**asked.placed}
    if "grid" in placed:
        placed["grid"] = checked_grid(placed["grid"])
    settings = settings_for(replace(saved.settings, pool="none", **placed), crew)
    cases = find_cohort(asked.cohort, glob=asked.glob, table=asked.table, split=asked.split)
    check_rater_of_grid(settings.grid, cases, of_estimate="grid" not in placed)
    place = Place(asked.out)
    so_far = Progress(say, len(cases), place, lambda reason: _of_the_estimate(reason, placed))
    with place.alone(None):
        records = count_cases(cases, settings, place, crew, so_far)
        write_all({place.estimate: saved.as_bytes()})
        write_cases(cases, records, saved, settings, place, crew, so_far, refresh=True, are_new=True)
        told, files, misfits = tell_sidecars(records, place)
        readers = {name for case in cases for name in case.raters}
        remarks = [
            *_doubts_of(saved, readers), *said_of_like_names(cases), *said_of_gone(so_far, cases, place), *misfits
        ]  # fmt: skip
        made = ended(asked.out, settings, cases, so_far, saved, remarks, files, told=told)
        write_all({place.facts: sidecar_bytes(made.facts)})
    return made, remarks


def _of_the_estimate(reason: str, typed: Container[str]) -> str:
    """Return why a case failed; an option that it begins with, and that nobody typed, is called the estimate's."""
    known = {one.name for one in (*fields(Settings), *fields(Options))}
    option, verb, _ = f"{reason} is is".split(" ", 2)
    named = option in known and option not in typed and verb in ("is", "are", "needs")
    return OF_ESTIMATE + reason if named else reason


def _doubts_of(saved: Saved, readers: Collection[str]) -> list[str]:
    """Return what is doubtful about rates that are applied, as it was said where they were found; of the belief, of those who read here."""
    made = saved.estimate
    if not isinstance(made, LabelEstimate):
        return list(saved.remarks)
    of_all = on_belief_in(made, made.names)
    return [*(one for one in saved.remarks if one not in of_all), *on_belief_in(made, readers)]


def _renamed(saved: Saved, called: Mapping[str, str], path: Path) -> Saved:
    """Return the estimate with the names that its raters have here; those of other sites keep their pseudonyms."""
    names = {pseudonym: name for name, pseudonym in called.items()}
    made: Any = saved.estimate
    known = [name for name in made.names if name in names]
    if not known:
        raise CohortError(
            f"{shown(path)}: is of {enumerated(made.names)}, and the pseudonyms are of others ({enumerated(list(names))})"
        )
    renamed = tuple(names.get(name, name) for name in made.names)
    settings = saved.settings
    if isinstance(made, LabelEstimate):
        masks = made._masks and replace(made._masks, names=renamed)
        given: dict[str, Any] = dict(settings.knows or {})
        knows: Any = {names.get(name, name): labels for name, labels in given.items()}
        settings = replace(settings, knows=knows or None)
        made = replace(made, names=renamed, _masks=masks, _options=replace(made._options, knows=knows))
        if isinstance(made, PooledLabelEstimate) and made._of_masks_by_case is not None:
            made = replace(made, _of_masks_by_case=replace(made._of_masks_by_case, names=renamed))
    else:
        shared = made._shared and replace(made._shared, names=renamed)
        made = replace(made, names=renamed, _shared=shared)
    return saved_of(made, settings, saved.of, [_in_names(one, names) for one in saved.remarks])


def _in_names(remark: str, names: Mapping[str, str]) -> str:
    """Return a remark with names in the place of pseudonyms, none of which is a part of another."""
    told = re.compile(
        "|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in sorted(names, key=len, reverse=True))
    )
    return told.sub(lambda met: names[met[0]], remark)
