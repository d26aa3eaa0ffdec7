"""Folds: what they promise, on many distributions of cases over centres."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse.cohort.msseg import Case
from fastfuse.train.cohort.folds import (
    folds_of_subjects,
    make_folds,
    one_of_each_centre,
    read_folds,
    share_of,
    write_folds,
)


def case(name: str, center: str) -> Case:
    return Case(name, center, {}, (), None, None, "Training")


def cases_of(*counts: int) -> list[Case]:
    """Return as many cases of each centre, shuffled."""
    made = [case(f"P{c}_{i:02d}", f"Center_{c:02d}") for c, count in enumerate(counts) for i in range(count)]
    order = np.random.default_rng(len(made)).permutation(len(made))
    return [made[i] for i in order]


def test_fifteen_cases_of_three_scanners() -> None:
    cases = cases_of(5, 5, 5)
    folds = make_folds(cases)
    centers = {one.name: one.center for one in cases}
    assert [len(fold) for fold in folds] == [3] * 5
    assert all(len({centers[name] for name in fold}) == 3 for fold in folds)


def test_balance() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        counts = rng.integers(0, 9, rng.integers(1, 6))
        n_folds = int(rng.integers(2, 8))
        cases = cases_of(*counts)
        if len(cases) < n_folds:
            continue
        folds = make_folds(cases, n_folds)
        assert len(folds) == n_folds
        assert sorted(name for fold in folds for name in fold) == sorted(one.name for one in cases)
        assert np.ptp([len(fold) for fold in folds]) <= 1
        for center in range(len(counts)):
            assert np.ptp([sum(name.startswith(f"P{center}_") for name in fold) for fold in folds]) <= 1
        assert folds == make_folds(cases[::-1], n_folds)


def test_too_many_folds() -> None:
    with pytest.raises(fastfuse.CohortError, match="3 cases do not fill 5 folds; ask for fewer"):
        make_folds(cases_of(3))
    with pytest.raises(ValueError, match="n_folds is 1: at least 2"):
        make_folds(cases_of(3), 1)


def test_written_and_read(tmp_path: Path) -> None:
    cases = cases_of(5, 4, 3)
    folds = make_folds(cases, 4)
    path = tmp_path / "folds.json"
    write_folds(path, folds, cases)
    assert read_folds(path, cases) == folds
    with pytest.raises(fastfuse.OutputError, match="exists already"):
        write_folds(path, folds, cases)
    write_folds(str(path), folds[::-1], cases, overwrite=True)
    assert read_folds(str(path), cases) == folds[::-1]


def test_folds_of_a_person(tmp_path: Path) -> None:
    """Such as leaving out one brain: of any sizes, with or without a name."""
    path = tmp_path / "folds.json"
    for content in ([["a", "b"], ["c"]], {"folds": [["a", "b"], ["c"]], "why": "one brain each"}):
        path.write_text(json.dumps(content))
        assert read_folds(path, [case(name, "Center_01") for name in "abc"]) == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("3", "not two or more lists of names"),
        ('{"fold": [["a"], ["b"]]}', "not two or more lists of names"),
        ('[["a", "b", "c"]]', "not two or more lists of names"),
        ('[["a", "b", "c"], []]', "not two or more lists of names"),
        ('[["a", "b"], [3]]', "not two or more lists of names"),
        (
            '[["a", "x"], ["b", "b"]]',
            "x unknown; c in no fold; b given more than once: every case must be in",
        ),
    ],
)
def test_bad_folds(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "folds.json"
    path.write_text(content)
    with pytest.raises(fastfuse.CohortError, match=message):
        read_folds(path, [case(name, "Center_01") for name in "abc"])


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(fastfuse.CohortError, match="No such file"):
        read_folds(tmp_path / "folds.json", cases_of(2))


def test_bad_folds_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(fastfuse.CohortError, match="the folds: b in no fold"):
        write_folds(tmp_path / "folds.json", [["a"], ["c"]], [case(name, "Center_01") for name in "abc"])
    assert not list(tmp_path.iterdir())


def test_one_of_each_centre() -> None:
    cases = cases_of(4, 4, 4)
    drawn = one_of_each_centre(cases, 0)
    assert [name[:2] for name in drawn] == ["P0", "P1", "P2"]
    assert drawn == one_of_each_centre(cases[::-1], 0)
    assert len({tuple(one_of_each_centre(cases, seed)) for seed in range(30)}) > 10
    with pytest.raises(fastfuse.CohortError, match="2 cases of 2 centres"):
        one_of_each_centre(cases_of(1, 1), 0)


@pytest.mark.parametrize(("share", "count"), [(0.2, 2), (0.01, 1), (0.99, 11)])
def test_share_of(share: float, count: int) -> None:
    cases = cases_of(4, 4, 4)
    drawn = share_of(cases, share, 3)
    assert len(set(drawn)) == count
    assert drawn == share_of(cases[::-1], share, 3)
    assert len({tuple(share_of(cases, share, seed)) for seed in range(30)}) > 5
    with pytest.raises(fastfuse.CohortError, match="none is left to validate on"):
        share_of(cases[:1], share, 0)


def test_folds_by_subject() -> None:
    """On many draws: nobody twice, nobody's sessions apart, as even as the largest subject lets."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        sessions = rng.integers(1, 5, rng.integers(2, 12)).tolist()
        names = [f"sub-{i:02}_ses-{j}" for i, count in enumerate(sessions) for j in range(count)]
        n_folds = int(rng.integers(2, len(sessions) + 1))
        folds = folds_of_subjects(rng.permutation(names).tolist(), n_folds)
        assert folds == folds_of_subjects(names, n_folds)
        assert sorted(name for fold in folds for name in fold) == sorted(names)
        owners = [{name[:6] for name in fold} for fold in folds]
        assert sum(map(len, owners)) == len(sessions)
        assert all(owners)
        assert max(map(len, folds)) - min(map(len, folds)) <= max(sessions)
    with pytest.raises(fastfuse.CohortError, match=r"2 subjects do not fill 3 folds; ask for fewer"):
        folds_of_subjects(["sub-a_ses-1", "sub-a_ses-2", "sub-b"], 3)


def test_without_sessions_the_folds_of_one_centre() -> None:
    for count in range(5, 30):
        cases = cases_of(count)
        assert folds_of_subjects([one.name for one in cases]) == make_folds(cases)
