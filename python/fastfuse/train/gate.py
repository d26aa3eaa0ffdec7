"""The check of a cohort before a run begins."""

from __future__ import annotations

from collections.abc import Sequence

from ..cohort.msseg import Case
from ..errors import CohortError, FastfuseError
from ..report.numbers import plural
from .cohort.check import CheckedCase, examine_cases
from .cohort.loading import load_case
from .cohort.printing import lines_of
from .cohort.problem import Problem, first_of
from .cohort.voxel_sizes import mixed_grids
from .narrator import Narrator
from .options import ExperimentOptions
from .targets.prepare import check_images


def check_first(
    cases: Sequence[Case],
    options: ExperimentOptions,
    narrator: Narrator,
    *,
    force: bool,
) -> tuple[list[Problem], dict[str, dict[str, str]]]:
    """Tell every problem of the cases, as ``fastfuse check`` does; with ``force``, return them. And each case's digests of voxels.

    Raises
    ------
    CohortError
        If there are problems, without ``force``. With it, too, if a case cannot be read as training reads it, or if
        voxels are of several sizes, which options mend.
    """
    checked = examine_cases(cases, fix_flips=options.fix_flips, say=narrator.say)
    digests = {case.case.name: case.digests for case in checked}
    problems = [problem for case in checked for problem in case.problems]
    grids = {case.case.name: case.grid for case in checked if case.grid is not None}
    mixed = None if options.grid.used else mixed_grids(grids)
    if mixed is not None:
        problems.append(mixed)
    lines = list(lines_of(problems))
    for line in lines:
        narrator.tell(line)
    if not problems:
        return [], digests
    count = f"the cohort has {plural(len(problems), 'problem')}"
    unusable = _unusable(checked, fix_flips=options.fix_flips)
    if mixed is not None or unusable or not force:
        others = len(problems) - (mixed is not None)
        more = "; ..." * (len(lines) > 1)
        raise CohortError(f"{count} ({lines[0]}{more}); {_remedies(mixed, others, unusable, force=force)}")
    narrator.tell(f"warning: {count}; goes on by --force; listed in run.json")
    return problems, digests


def _unusable(checked: Sequence[CheckedCase], *, fix_flips: bool) -> list[str]:
    """Return the cases that cannot be loaded as they are, whatever is forced."""
    found = []
    for one in checked:
        if one.problems:
            try:
                check_images(load_case(one.case, fix_flips=fix_flips, gaps=True))
            except FastfuseError:
                found.append(one.case.name)
    return found


def _remedies(mixed: Problem | None, others: int, unusable: Sequence[str], *, force: bool) -> str:
    """Return all that is to be done before the run can begin; --force stands in neither for one size of voxels nor for files."""
    correct = "correct them, or go on all the same by --force (force=True)"
    if unusable:
        named = first_of(unusable)
        correct = (
            f"correct those of {named}, which --force does not go on with, or take {named} out of the cohort"
        )
    if mixed is None:
        return correct
    size = f"voxels of one size are needed with --force, too: {mixed.remedy}"
    if not others:
        return size
    which = "the other problem" if others == 1 else f"the other {others} problems"
    rest = f"--force goes on with {which}" if force and not unusable else f"{which}: {correct}"
    return f"{size}; {rest}"
