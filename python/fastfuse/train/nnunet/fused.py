"""The consensuses that ``fastfuse cohort fuse`` wrote, case by case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...cohort.layout import center_of, search
from ...cohort.msseg import has_names_of_msseg
from ...cohort.place import CASES, Place, changed_outputs
from ...cohort.run import STALE
from ...cohort.standing import maker_of
from ...cohort.told.sidecars import facts_at
from ...errors import CohortError
from ...images.paths import shown
from ...images.sidecar import json_of, sidecar_path
from ...inputs.names import counted, enumerated

MOST_NAMED = 5
REMEDY = "mend the cause and run fastfuse cohort fuse again, or leave them out (--force)"


def is_fused(folder: Path) -> bool:
    """Tell the outputs of ``fastfuse cohort fuse`` from a cohort in MSSEG-2016's layout; refuse what is neither.

    Raises
    ------
    CohortError
        If a folder is neither: with both that are taken, and what to do.
    """
    if Place(folder).facts.is_file():
        return True
    if not folder.is_dir() or search(folder):
        return False
    if maker_of(folder) is not None:
        raise CohortError(
            f"{shown(folder)}: fastfuse cohort fuse has not ended there, as cohort.json is missing: run the same command again, "
            "after shards with --merge"
        )
    if has_names_of_msseg(folder):
        return False  # whose error names them
    raise CohortError(
        f"{shown(folder)}: is neither a cohort in MSSEG-2016's layout nor what fastfuse cohort fuse wrote (no cohort.json); a cohort of "
        f"another layout is fused first: fastfuse cohort fuse {shown(folder)} --out fused, with --glob or --table if need be"
    )


@dataclass(frozen=True)
class FusedCase:
    """A consensus that was written, and what its sidecar says."""

    name: str
    consensus: Path
    facts: Mapping[str, Any]

    @property
    def center(self) -> str:
        """The centre that the folders of the raters' files name, as in MSSEG-2016; empty if they name none, or several."""
        found = {center_of(Path(one["file"])) for one in self.facts.get("raters", ()) if one.get("file")}
        return found.pop() if len(found) == 1 else ""

    def cut(self, asked: float | None) -> float:
        """Return the cut of its mask: the one asked for, else the fusion's."""
        return float(self.facts["options"]["cut"]) if asked is None else asked


@dataclass(frozen=True)
class FusedCohort:
    """The cases of a folder of ``fastfuse cohort fuse``, and what is told of them.

    Attributes
    ----------
    folder : Path
    facts : mapping
        What cohort.json holds.
    cases : tuple of FusedCase
        Those that have a consensus of their present files, sorted.
    left_out : dict
        Why a case has none, by its name.
    stale, changed : list of str
        Cases whose consensus rests on earlier rates, and those where it is not as fastfuse wrote it.
    """

    folder: Path
    facts: Mapping[str, Any]
    cases: tuple[FusedCase, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    @property
    def of_labels(self) -> bool:
        """Whether label maps were fused."""
        return self.facts["settings"].get("labels") is not None

    @property
    def remarks(self) -> list[str]:
        """What is doubtful of the cases."""
        out = shown(self.folder)
        told = {
            f"left out, without a consensus of {'its' if len(self.left_out) == 1 else 'their'} present files": [
                *self.left_out
            ],
            f"the consensus {STALE}: fastfuse cohort fuse with --refresh writes it anew": self.stale,
            "the consensus has changed since fastfuse wrote it, and is taken as it is now": self.changed,
        }
        return [f"{out}: {enumerated(names, MOST_NAMED)}: {what}" for what, names in told.items() if names]


def fused_in(folder: Path, *, gaps: bool = False) -> FusedCohort:
    """Find the consensuses in a folder.

    Parameters
    ----------
    folder : Path
        ``fastfuse cohort fuse`` wrote into it, or ``apply``.
    gaps : bool
        Go on without the cases that failed.

    Raises
    ------
    CohortError
        If there is no consensus, or cases that failed have none; it names the first, its file, and what to do.
    """
    place, facts = Place(folder), json_of(Place(folder).facts)
    if not isinstance(facts, dict) or not isinstance(facts.get("settings"), dict):
        raise CohortError(
            f"{shown(place.facts)}: is damaged, or another program's; run fastfuse cohort fuse again"
        )
    failed: dict[str, str] = dict(facts.get("failed", {}))
    names = {*place.named()[CASES], *facts.get("inputs", {}), *failed}
    names -= {*facts.get("no_longer_in_the_cohort", ())}
    rates = _object_in(place.estimate).get("digest")
    found, lost = FusedCohort(folder, facts, ()), {}
    cases: list[FusedCase] = []
    for name in sorted(names):
        told = facts_at(name, place)
        why = failed.get(name) or _why_lost(place.consensus(name), told)
        if why:
            lost[name] = why
            continue
        made = _object_in(place.made(name))
        if made.get("rates") not in (None, rates):
            found.stale.append(name)
        if changed_outputs(place.made(name), made.get("outputs")):
            found.changed.append(name)
        cases.append(FusedCase(name, place.consensus(name), told))
    if not cases or (lost and not gaps):
        raise CohortError(_said_of_lost(folder, lost, len(names)))
    return replace(found, cases=tuple(cases), left_out=lost)


def _object_in(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds; nothing where it is missing or damaged."""
    kept = json_of(path)
    return kept if isinstance(kept, dict) else {}


def _why_lost(consensus: Path, facts: Mapping[str, Any]) -> str:
    """Return why there is nothing to take of a case; empty if there is."""
    sidecar = sidecar_path(consensus)
    if not consensus.is_file():
        return f"{shown(consensus)}: there is no such file"
    if not isinstance(facts.get("options"), dict):
        return f"{shown(sidecar)}: is missing, or damaged"
    return ""


def _said_of_lost(folder: Path, lost: Mapping[str, str], cases: int) -> str:
    if not lost:
        return f"{shown(folder)}: holds no consensus of a cohort's cases; give the folder that fastfuse cohort fuse wrote into"
    first = next(iter(lost))
    remedy = REMEDY if len(lost) < cases else REMEDY.partition(", or")[0]
    return (
        f"{shown(folder)}: {len(lost)} of {counted(cases, 'case')} {'has' if len(lost) == 1 else 'have'} no consensus of "
        f"{'its' if len(lost) == 1 else 'their'} present files ({enumerated([*lost], MOST_NAMED)}); {first}: {lost[first]}; {remedy}"
    )
