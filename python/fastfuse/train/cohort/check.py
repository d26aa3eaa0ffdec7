"""All problems of a cohort, found in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...cohort.msseg import Case, find_cases
from ...images.paths import shown
from ...inputs.checks import check_flag
from ...inputs.grids import Grid
from .content import Voxels, content_problems, digests_of
from .problem import Problem
from .voxel_sizes import notes_on_sizes


@dataclass(frozen=True)
class CheckedCase:
    """Problems and figures of a case.

    Attributes
    ----------
    case : Case
    grid : Grid or None
        FLAIR's grid; None if FLAIR cannot be read.
    volumes_ml : list of float
        Volumes of the readable masks.
    problems, notes : list of Problem
        What must be corrected, and what need not be.
    digests : dict of str to str
        Of the images' voxels, by modality.
    """

    case: Case
    grid: Grid | None = None
    volumes_ml: list[float] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)


def check_cohort(root: Path | str, *, split: str = "Training", fix_flips: bool = False) -> list[Problem]:
    """List every problem of every case; see :func:`examine_cohort`."""
    return [
        problem
        for checked in examine_cohort(root, split=split, fix_flips=fix_flips)
        for problem in checked.problems
    ]


def examine_cohort(
    root: Path | str,
    *,
    split: str = "Training",
    fix_flips: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> list[CheckedCase]:
    """Read every file of a cohort, and list each case's problems.

    Problems are missing and surplus files, gaps in the raters' numbers, files that cannot be read completely or are
    not on FLAIR's grid, NaN, infinite and constant images, those of two values, files of equal content, images of another case, and masks that are not binary, are empty, lie outside
    the brain, or far from all other raters' masks.

    Parameters
    ----------
    root : path
        As :func:`fastfuse.cohort.msseg.find_cases` takes it.
    split : {"Training", "Testing", "all"}
    fix_flips : bool
        Accept masks that can be flipped back.
    say : callable
        Called with a few words before each case.

    Returns
    -------
    list of CheckedCase

    Raises
    ------
    CohortError
        If no case is found.
    """
    return examine_cases(find_cases(root, split), fix_flips=check_flag(fix_flips, "fix_flips"), say=say)


def examine_cases(
    cases: Sequence[Case], *, fix_flips: bool = False, say: Callable[[str], None] = lambda _: None
) -> list[CheckedCase]:
    """Read every file of some cases, and list each one's problems; see :func:`examine_cohort`."""
    usual = Counter(_numbered(case) for case in cases).most_common(1)[0][0]
    checked = []
    for number, case in enumerate(cases, start=1):
        say(f"checking {case.name} ({number} of {len(cases)})")
        checked.append(_examine(case, usual, fix_flips=fix_flips))
    for one, problem in twins(checked):
        one.problems.append(problem)
    notes = notes_on_sizes({one.case.name: one.grid for one in checked if one.grid is not None})
    return [
        replace(one, notes=[*one.notes, notes[one.case.name]]) if one.case.name in notes else one
        for one in checked
    ]


def _examine(case: Case, usual: int, *, fix_flips: bool) -> CheckedCase:
    voxels = Voxels.of(case, fix_flips=fix_flips)
    notes = list(voxels.notes)
    if case.brain is None:
        notes.append(Problem(case.name, "", "no brain mask", "needed only where a method asks for one"))
    return CheckedCase(
        case,
        voxels.flair.grid if voxels.flair else None,
        voxels.volumes_ml,
        [*_file_problems(case, usual), *voxels.problems, *content_problems(voxels)],
        notes,
        digests_of(voxels),
    )


def twins(checked: Sequence[CheckedCase]) -> Iterator[tuple[CheckedCase, Problem]]:
    """Yield a problem for each image of an earlier case: one would be tested on what was learnt from the other."""
    owners: dict[str, str] = {}
    for one in checked:
        for modality, digest in one.digests.items():
            owner = owners.setdefault(digest, one.case.name)
            if owner != one.case.name:
                what = f"holds the same voxels as an image of {owner}"
                remedy = "take one of the two out: the other would be tested on it"
                yield one, Problem(one.case.name, modality, what, remedy)


def _file_problems(case: Case, usual: int) -> Iterator[Problem]:
    """Yield the problems that the files' names tell."""
    for name in case.missing:
        alone = "; without it, nothing else of the case can be compared" if name == "FLAIR" else ""
        yield Problem(case.name, name, "missing", f"add the file, or take the case out of the cohort{alone}")
    if len(case.masks) < 2:
        yield Problem(
            case.name, "", f"{_raters(len(case.masks))}, at least 2 are needed", "add the others' masks"
        )
    elif _numbered(case) != usual:
        yield Problem(
            case.name,
            "",
            f"{_raters(len(case.masks))}, but most cases have {usual}",
            "give every case the same raters' masks",
        )
    for path in case.spare:
        yield Problem(
            case.name,
            shown(path),
            "another file of the case has the same role",
            "remove or rename one of the two; of two cohorts in one folder, check each by itself",
        )


def _numbered(case: Case) -> int:
    """Return how many raters a case would have without gaps in their numbers, which are problems of their own."""
    return len(case.masks) + len(case.missing_raters)


def _raters(count: int) -> str:
    return f"{count} rater{'s' * (count != 1)}"
