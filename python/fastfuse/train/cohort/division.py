"""Who is trained on and who is tested: folds of all cases, or one division into two parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ...cohort.msseg import Case, find_cases, splits_in
from ...errors import CohortError
from ...images.paths import needed_path, shown
from ...images.sidecar import sidecar_bytes
from ..options import ExperimentOptions, OptionsError
from .folds import Named, are_names, checked_folds, json_in, make_folds, read_folds

AnyCase = TypeVar("AnyCase", bound=Named)


def divided(
    cohort: Path, options: ExperimentOptions, folds_file: Path | None
) -> tuple[list[Case], list[list[str]]]:
    """Return the cases of a run, and the names of those that are tested, fold by fold."""
    if options.train:
        if folds_file is not None:
            raise OptionsError("--train and --test divide the cases, and so does --folds: give one of them")
        cases = find_cases(cohort, "all")
        train, test = (
            [case for case in cases if case.split == name] for name in (options.train, options.test)
        )
        _check_parts(cohort, {options.train: train, options.test: test}, cases)
        return divide(train, test)
    cases = find_cases(cohort, options.split)
    if folds_file is not None:
        return read_division(folds_file, cases)
    if options.folds < 2:
        raise OptionsError(f"folds is {options.folds}: at least 2 are needed, or --train and --test")
    return cases, make_folds(cases, options.folds)


def division_bytes(path: Path, cases: Sequence[Case], folds: Sequence[Sequence[str]]) -> bytes:
    """Return the content of a run's folds.json; one fold is what is tested, and the other cases are trained on."""
    if len(folds) > 1:
        return sidecar_bytes({"folds": checked_folds(folds, cases, shown(path))})
    train = [case.name for case in cases if case.name not in folds[0]]
    return sidecar_bytes({"train": train, "test": list(folds[0])})


def read_division(path: Path | str, cases: Sequence[AnyCase]) -> tuple[list[AnyCase], list[list[str]]]:
    """Read folds, or one division as ``{"train": [names], "test": [names]}``.

    Returns
    -------
    cases : list of Case
        All, or those that the one division names.
    folds : list of list of str
        The names of the cases that are tested, fold by fold.

    Raises
    ------
    CohortError
        If the file cannot be read, names cases that there are not, or one twice.
    """
    path = needed_path(path, "path")
    content = json_in(path)
    if not (isinstance(content, dict) and {"train", "test"} & set(content)):
        return list(cases), read_folds(path, cases)
    where = shown(path)
    parts: Any = [content.get("train"), content.get("test")]
    if not are_names(parts):
        raise CohortError(
            f'{where}: not two lists of names, as {{"train": ["Patient_01"], "test": ["Patient_02"]}}'
        )
    counts = Counter(name for part in parts for name in part)
    unknown = sorted(set(counts) - {case.name for case in cases})
    twice = sorted(name for name, count in counts.items() if count > 1)
    for names, what in ((unknown, "no case of this cohort"), (twice, "given more than once")):
        if names:
            raise CohortError(f"{where}: {', '.join(map(shown, names))} {what}: mend the file")
    return [case for case in cases if case.name in counts], [list(content["test"])]


def divide(train: Sequence[Case], test: Sequence[Case]) -> tuple[list[Case], list[list[str]]]:
    """Return all cases and the one fold of those that are tested."""
    both = sorted([*train, *test], key=lambda case: (case.center, case.name))
    return both, [[case.name for case in both if case in test]]


def _check_parts(cohort: Path, parts: Mapping[str, Sequence[Case]], cases: Sequence[Case]) -> None:
    """Refuse a split without a case: tell which is empty, and which are there."""
    for purpose, (split, found) in zip(("train", "test"), parts.items(), strict=True):
        if not found:
            lacks = "holds no case" if (cohort / split).is_dir() else "there is no such folder"
            raise CohortError(
                f"{shown(cohort / split)}: {lacks}, so there is no case to {purpose} on; {splits_in(cases)}; name two that "
                "are there, or cross-validate without --train and --test"
            )
