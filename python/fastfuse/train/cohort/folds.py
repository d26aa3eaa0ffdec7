"""Folds of a cross-validation, balanced over the centres."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...cohort.msseg import Case
from ...errors import CohortError
from ...images.formats.no_text import why_no_text
from ...images.outputs import Outputs, check_outputs
from ...images.paths import needed_path, shown
from ...images.sidecar import sidecar_bytes
from ...inputs.names import counted

SUBJECT = re.compile(r"(sub-[a-zA-Z0-9]+)(?:_.*)?")  # as names of BIDS begin


class Named(Protocol):
    """A case, of whatever cohort."""

    @property
    def name(self) -> str:
        """What tells it from others."""


def make_folds(cases: Sequence[Case], n_folds: int = 5) -> list[list[str]]:
    """Divide cases into folds that differ by at most one case, and by at most one case of any centre.

    Parameters
    ----------
    cases : sequence of Case
        In any order.
    n_folds : int
        At least 2, at most the number of cases. Fifteen cases of three centres make five folds of one case of each.

    Returns
    -------
    list of list of str
        The names of each fold's cases. The same cases give the same folds.

    Raises
    ------
    CohortError
        If there are fewer cases than folds.
    ValueError
        If ``n_folds`` is less than 2.
    """
    if n_folds < 2:
        raise ValueError(f"n_folds is {n_folds}: at least 2 are needed")
    _check_fill(len(cases), "case", n_folds, "ask for fewer")
    return dealt_by_center({case.name: case.center for case in cases}, n_folds)


def dealt_by_center(centers: Mapping[str, str], n_folds: int) -> list[list[str]]:
    """Deal cases into folds, centre by centre; ``centers``: of each case, by its name."""
    dealt = sorted(centers, key=lambda name: (centers[name], name))
    return [dealt[fold::n_folds] for fold in range(n_folds)]


def _check_fill(count: int, what: str, n_folds: int, remedy: str) -> None:
    if count < n_folds:
        raise CohortError(
            f"{counted(count, what)} {'does' if count == 1 else 'do'} not fill {n_folds} folds; {remedy}"
        )


def subject_of(case: str) -> str:
    """Return whose case it is: by BIDS the subject of all sessions; else it is a subject's only one."""
    met = SUBJECT.fullmatch(case)
    return case if met is None else met[1]


def folds_of_subjects(names: Iterable[str], n_folds: int = 5) -> list[list[str]]:
    """Divide cases into folds that are as even as may be, and keep all sessions of a subject in one.

    The same names give the same folds; without sessions, those of :func:`make_folds` for one centre.

    Raises
    ------
    CohortError
        If there are fewer subjects than folds.
    """
    sessions: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        sessions[subject_of(name)].append(name)
    if n_folds < 2:
        raise CohortError(f"folds is {n_folds}: at least 2 are needed")
    what = "subject" if any(len(one) > 1 for one in sessions.values()) else "case"
    _check_fill(len(sessions), what, n_folds, "ask for fewer (--folds)")
    folds: list[list[str]] = [[] for _ in range(n_folds)]
    for subject in sorted(sessions, key=lambda one: (-len(sessions[one]), one)):
        min(folds, key=len).extend(sessions[subject])
    return [sorted(fold) for fold in folds]


def write_folds(
    path: Path | str, folds: Sequence[Sequence[str]], cases: Sequence[Case], *, overwrite: bool = False
) -> None:
    """Write folds as JSON: ``{"folds": [["Patient_01", ...], ...]}``.

    Raises
    ------
    CohortError
        If the folds do not hold every case exactly once.
    OutputError
        If the file exists, or cannot be written.
    """
    path = needed_path(path, "path")
    checked = checked_folds(folds, cases, "the folds")
    check_outputs([path], [], (".json",), overwrite=overwrite)
    with Outputs(overwrite=overwrite) as outputs:
        outputs.add(path, sidecar_bytes({"folds": checked}))
        outputs.commit()


def read_folds(path: Path | str, cases: Sequence[Named]) -> list[list[str]]:
    """Read folds, written by :func:`write_folds` or by hand.

    Returns
    -------
    list of list of str
        The names of each fold's cases.

    Raises
    ------
    CohortError
        If the file cannot be read, or does not hold every case exactly once.
    """
    path = needed_path(path, "path")
    content = json_in(path)
    folds = content.get("folds") if isinstance(content, dict) else content
    return checked_folds(folds, cases, shown(path))


def json_in(path: Path) -> Any:
    """Return the content of a JSON file that must be there."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CohortError(f"{shown(path)}: cannot be read as JSON ({why_no_text(path, error)})") from error


def checked_folds(folds: Any, cases: Sequence[Named], where: str) -> list[list[str]]:
    """Return folds as lists if they hold every case exactly once."""
    if not are_names(folds):
        raise CohortError(
            f'{where}: not two or more lists of names, as {{"folds": [["Patient_01"], ["Patient_02"]]}}'
        )
    counts = Counter(name for fold in folds for name in fold)
    names = {case.name for case in cases}
    wrong = {
        "unknown": sorted(set(counts) - names),
        "in no fold": sorted(names - set(counts)),
        "given more than once": sorted(name for name, count in counts.items() if count > 1),
    }
    faults = [f"{', '.join(map(shown, found))} {what}" for what, found in wrong.items() if found]
    if faults:
        raise CohortError(f"{where}: {'; '.join(faults)}: every case must be in exactly one fold")
    return [list(fold) for fold in folds]


def are_names(folds: Any) -> bool:
    """Tell whether this is two or more lists of names, none empty."""
    if not isinstance(folds, (list, tuple)) or len(folds) < 2:
        return False
    return all(
        isinstance(fold, (list, tuple)) and fold and all(isinstance(name, str) for name in fold)
        for fold in folds
    )


def one_of_each_centre(cases: Sequence[Case], seed: int) -> list[str]:
    """Draw one training case of each centre for validation.

    Parameters
    ----------
    cases : sequence of Case
        The training cases, in any order.
    seed : int
        Seed of the draw.

    Returns
    -------
    list of str
        Names of the drawn cases, in the order of the centres.

    Raises
    ------
    CohortError
        If no case would be left to train on.
    """
    centers: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        centers[case.center].append(case.name)
    if len(cases) <= len(centers):
        raise CohortError(
            f"{counted(len(cases), 'case')} of {counted(len(centers), 'centre')}: one a centre to validate on would leave none to train on; "
            "give more cases, or set training.validation=none"
        )
    rng = np.random.default_rng(seed)
    return [str(rng.choice(sorted(centers[center]))) for center in sorted(centers)]


def share_of(cases: Sequence[Case], share: float, seed: int) -> list[str]:
    """Draw a share of the training cases for validation: at least one, and not all.

    Parameters
    ----------
    cases : sequence of Case
        The training cases, in any order.
    share : float
        In (0, 1); the number of cases is rounded.
    seed : int
        Seed of the draw.

    Returns
    -------
    list of str
        Names of the drawn cases, sorted.

    Raises
    ------
    CohortError
        If there is one case alone.
    """
    if len(cases) < 2:
        raise CohortError(
            f"{len(cases)} case to train on: none is left to validate on; give more cases, or set training.validation=none"
        )
    count = min(max(round(share * len(cases)), 1), len(cases) - 1)
    names = sorted(case.name for case in cases)
    return sorted(str(name) for name in np.random.default_rng(seed).choice(names, count, replace=False))
