"""Vote tables: they add up, keep on disk, and tell all that a fusion needs of a volume."""

from __future__ import annotations

import copy
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import VoteTable, _core, tabulate

SHAPE = (12, 13, 14)


def votes_of(kind: str, m: int = 5, seed: int = 0) -> np.ndarray:
    """Return m raters' noisy views of a ball, as masks, label maps or soft votes, shape (m, 12, 13, 14)."""
    rng = np.random.default_rng(seed)
    places = np.indices(SHAPE) - np.reshape(SHAPE, (3, 1, 1, 1)) / 2
    seen = 4 - np.sqrt((places**2).sum(axis=0)) + rng.normal(0, 1.2, (m, *SHAPE))
    if kind == "soft":
        return np.where(seen > 0, 1, np.where(seen > -0.9, 0.3, 0)).astype(np.float32)
    if kind == "missing":
        votes = (seen > 0).astype(np.float32)
        votes[rng.random(votes.shape) < 0.1] = np.nan
        return votes
    masks = (seen > 0).astype(np.uint8)
    return masks * 3 if kind == "labels" else masks


OPTIONS: dict[str, dict[str, Any]] = {
    "masks": {},
    "soft": {},
    "missing": {"missing": "nan"},
    "labels": {"select_label": 3},
}


def patterns_of(votes: np.ndarray) -> dict[tuple[float, ...], int]:
    """Count patterns in plain Python; -1 is a missing vote."""
    rows = np.nan_to_num(votes.reshape(len(votes), -1).T, nan=-1)
    found: dict[tuple[float, ...], int] = {}
    for row in rows.tolist():
        found[tuple(row)] = found.get(tuple(row), 0) + 1
    return found


@pytest.mark.parametrize("kind", OPTIONS)
def test_counts_are_those_of_the_votes(kind: str) -> None:
    votes = votes_of(kind)
    table = tabulate(votes, **OPTIONS[kind])
    plain = patterns_of((votes == 3).astype(float) if kind == "labels" else votes)
    held = table.counts > 0
    rows = np.nan_to_num(table.patterns[held], nan=-1).tolist()
    assert {tuple(row): count for row, count in zip(rows, table.counts[held], strict=True)} == plain
    assert table.voxels == np.prod(SHAPE)


def test_rows_are_sorted_and_nobody_marks_in_the_first() -> None:
    table = tabulate(votes_of("missing"), missing="nan")
    assert (table.patterns[0] == 0).all()
    rows = np.nan_to_num(table.patterns[1:], nan=-1).tolist()
    assert rows == sorted(rows)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("kind", OPTIONS)
def test_halves_add_up(kind: str, threads: int) -> None:
    votes, options = votes_of(kind), OPTIONS[kind]
    whole = tabulate(votes, **options)
    halves = [tabulate(votes[:, :5], threads=threads, **options), tabulate(votes[:, 5:], **options)]
    assert halves[0] + halves[1] == whole
    assert sum(halves) == whole
    assert sum(reversed(halves)) == whole
    assert halves[0] != whole


def test_only_what_is_fused_counts() -> None:
    votes = votes_of("masks")
    mask = np.random.default_rng(1).random(SHAPE) < 0.4
    inside = tabulate([vote[mask] for vote in votes])
    assert tabulate(votes, mask=mask) == inside
    disputed = tabulate(votes, roi="disputed")
    assert disputed.voxels == np.count_nonzero((votes != votes[0]).any(axis=0))
    margin = tabulate(votes, roi=1.5, spacing_mm=(1, 1, 2))
    assert disputed.voxels < margin.voxels < np.prod(SHAPE)


def test_raters_who_did_not_look_or_read() -> None:
    votes = votes_of("masks", 3)
    looked = np.ones(SHAPE, np.uint8)
    looked[:4] = 0
    table = tabulate([*votes, None], present=[None, looked, None, None])
    assert np.isnan(table.patterns[table.counts > 0, 3]).all()
    assert table.counts[np.isnan(table.patterns[:, 1])].sum() == 4 * 13 * 14
    other = tabulate([*votes, votes[0]])
    assert (table + other).voxels == 2 * np.prod(SHAPE)


def test_drop() -> None:
    votes = votes_of("soft")
    table = tabulate(votes, names=list("ABCDE"))
    others = tabulate(votes[[0, 1, 3, 4]], names=list("ABDE"))
    assert table.drop("C") == table.drop(2) == table.drop(-3) == others
    with pytest.raises(ValueError, match="no rater 'F': the table has A, B, C, D, E"):
        table.drop("F")
    with pytest.raises(ValueError, match="no rater 5: the table has 5"):
        table.drop(5)
    for wrong in (True, 1.0, None, [0, 1]):
        with pytest.raises(TypeError, match=rf"rater is {re.escape(repr(wrong))}: .* a number from 0 to 4"):
            table.drop(wrong)
    assert table.drop(np.int64(2)) == others
    with pytest.raises(ValueError, match="one rater only"):
        tabulate(votes[:1]).drop(0)


def test_names_must_agree() -> None:
    votes = votes_of("masks", 2)
    one, other = tabulate(votes, names=["Ann", "Bob"]), tabulate(votes, names=["Bob", "Ann"])
    assert (one + other).names == ("Ann", "Bob")
    assert one != other
    with pytest.raises(ValueError, match="different raters"):
        one + tabulate(votes)
    with pytest.raises(TypeError, match="unsupported operand"):
        one + 1
    with pytest.raises(ValueError, match="names has 3 entries for 2 raters"):
        tabulate(votes, names=["Ann", "Bob", "Eve"])
    with pytest.raises(ValueError, match="names holds 'Ann' twice"):
        VoteTable([[0, 1]], [1], ["Ann", "Ann"])


def test_tables_from_numbers() -> None:
    table = VoteTable([[1, 0], [0, 0], [1, 0]], [2, 3, 4])
    assert table == tabulate([[0, 0, 0, *[1] * 6], [0] * 9])
    assert table != "table"
    assert VoteTable([[0, 1]], [2**53]).voxels == 2**53


@pytest.mark.parametrize(
    ("patterns", "counts", "sentence"),
    [
        ([[0, 0], [2, 0]], [1, 1], "patterns holds 2 of Ann in row 1: give votes in"),
        ([[0, -0.1]], [1], "patterns holds -0.1 of Bob in row 0"),
        ([[np.inf, 1]], [1], "patterns holds inf of Ann in row 0"),
        ([0, 1], [1, 2], r"patterns has shape \(2,\)"),
        ([], [], r"patterns has shape \(0,\)"),
        ([[0, 1], [1]], [1, 2], "patterns cannot be read as an array"),
        ([["0", "1"]], [1], "patterns holds elements of type <U1"),
        ([[0, 1j]], [1], "patterns holds elements of type complex128"),
        (None, [1], "patterns holds elements of type object"),
        (np.ma.masked_array([[0, 1]]), [1], "patterns is a masked array"),
        ([[0, 1]], [1, 2], r"counts has shape \(2,\) for 1 row of patterns"),
        ([[0, 1]], [-1], "counts holds -1 in row 0: give whole numbers from 0 to"),
        ([[0, 1]], [0.5], "counts holds 0.5 in row 0"),
        ([[0, 1]], [np.nan], "counts holds nan in row 0"),
        ([[0, 1]], [2**53 + 2], "counts holds 9007199254740994"),
        ([[0, 1]], [10**30], r"counts holds 1e\+30 in row 0"),
        ([[0, 1]], None, "counts holds elements of type object"),
        ([[0, 0], [0, 1]], [2**53, 1], "the table would hold 9007199254740993 voxels"),
    ],
)
def test_what_is_no_table_is_refused(patterns: Any, counts: Any, sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{sentence}"):
        VoteTable(patterns, counts, ["Ann", "Bob"])


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["Ann"], "names has 1 entry for 3 raters: give one for each"),
        (list("ABCD"), "names has 4 entries for 3 raters: give one for each"),
        (3, "names is 3: give a list of names, one for each rater"),
        ("ABC", "names is 'ABC', one text: give a list"),
        ({"A": 1, "B": 2, "C": 3}, "names is a dict"),
        (["A", None, "C"], r"names\[1\] is None: a name is a text"),
        (["A", "B", "A"], "names holds 'A' twice"),
        (["A", "B", ""], r"names\[2\] is empty"),
        (["A", "B\0", "C"], r"names\[1\] is 'B\\x00': it holds a control character"),
        (["A", "B\u2028C", "C"], r"names\[1\] is 'B\\u2028C': it holds a control character"),
    ],
)
def test_bad_names_are_refused(names: Any, sentence: str) -> None:
    for make in (
        lambda: tabulate([[0, 1]] * 3, names=names),
        lambda: VoteTable([[0, 1, 1]], [1], names),
    ):
        with pytest.raises((TypeError, ValueError), match=f"^{sentence}"):
            make()


def test_names_from_any_list() -> None:
    for names in (np.array(["Ann", "Bob"]), ("Ann", "Bob"), (name for name in ("Ann", "Bob"))):
        table = tabulate([[0, 1], [1, 1]], names=names)
        assert table.names == ("Ann", "Bob")
        assert {type(name) for name in table.names} == {str}


def test_sums_that_cannot_be_counted_are_refused() -> None:
    large = VoteTable([[0, 1]], [2**52])
    assert (large + large).voxels == 2**53
    with pytest.raises(ValueError, match="the table would hold 13510798882111488 voxels: at most"):
        large + large + large


def test_rows_that_do_not_occur_do_not_matter() -> None:
    table = VoteTable([[0, 1], [1, 1]], [3, 0])
    assert table == VoteTable([[0, 1]], [3])
    assert len(table.patterns) == 3  # with row 0
    assert table != VoteTable([[0, 1], [1, 1]], [3, 1])


def test_a_vote_in_two_types_is_two_votes() -> None:
    votes = np.array([[0.3, 1], [0, 1]])
    narrow = votes.astype(np.float32)
    assert np.count_nonzero((tabulate(votes) + tabulate(narrow)).counts) == 3
    assert np.count_nonzero((tabulate(narrow) + tabulate(narrow)).counts) == 2


@pytest.mark.parametrize("kind", OPTIONS)
def test_copies_and_pickles(kind: str) -> None:
    table = tabulate(votes_of(kind), names=list("ABCDE"), **OPTIONS[kind])
    for other in (copy.copy(table), copy.deepcopy(table), pickle.loads(pickle.dumps(table))):
        assert other == table
        np.testing.assert_array_equal(other.patterns, table.patterns)
        assert (other + table).voxels == 2 * table.voxels


def test_in_a_pool() -> None:
    votes = votes_of("soft")
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        assert sum(pool.map(tabulate, [votes[:, :5], votes[:, 5:]])) == tabulate(votes)


def test_empty() -> None:
    table = tabulate([[0, 1], [1, 1]], mask=[0, 0])
    assert repr(table) == "VoteTable(2 raters, 0 voxels, 0 patterns)"
    other = tabulate([[0, 1], [1, 1]])
    assert table + other == other


def test_one_and_many_are_shown() -> None:
    assert repr(VoteTable([[0]], [1])).startswith("VoteTable(1 rater, 1 voxel, 1 pattern)\n")
    assert "1 other pattern" in repr(VoteTable(np.eye(6), [1] * 6)).splitlines()[-1]
    many = VoteTable(np.zeros((1, 70)), [1])
    assert "rater 6, rater 7 and 62 more" in repr(many)
    assert len(max(repr(many).splitlines(), key=len)) < 120
    with pytest.raises(ValueError, match=r"the table has rater 0, .*, rater 7 and 62 more$"):
        many.drop("Ann")


def test_shown() -> None:
    table = tabulate(votes_of("soft", 3), names=["Ann", "Bob", "Eve"])
    lines = repr(table).splitlines()
    assert lines[0] == f"VoteTable(3 raters, 2184 voxels, {np.count_nonzero(table.counts)} patterns)"
    assert lines[1] == "  voxels  votes of Ann, Bob, Eve"
    counts = [int(line.split()[0]) for line in lines[2:]]
    assert counts[:5] == sorted(counts[:5], reverse=True)
    assert sum(counts) == 2184
    assert "0.3" in repr(VoteTable([[0.3, np.nan]], [1]))


def test_too_many_patterns() -> None:
    votes = np.random.default_rng(0).random((3, 200_000))
    with pytest.raises(ValueError, match=r"131,072.*np\.round"):
        fastfuse.agreement(votes)
    assert tabulate(np.round(votes, 1)).voxels == 200_000


def test_bad_votes_are_named() -> None:
    with pytest.raises(ValueError, match=r"^Bob holds 7 at voxel \(1,\) .*select_label=K"):
        tabulate([[0, 1], [0, 7]], names=["Ann", "Bob"])
    with pytest.raises(ValueError, match="votes must be finite"):
        tabulate([[0, np.nan]])


@pytest.mark.parametrize("intervals", ["none", "information", "bootstrap", "lesions"])
def test_votes_are_read_once(monkeypatch: pytest.MonkeyPatch, intervals: Any) -> None:
    """Bootstraps run on the table that the fusion has made."""
    reads: list[str] = []

    def counted(name: str) -> None:
        original = getattr(_core, name)

        def call(*given: Any, **options: Any) -> Any:
            reads.append(name)
            return original(*given, **options)

        monkeypatch.setattr(_core, name, call)

    for name in ("fuse", "tabulate", "fuse_on_device"):
        counted(name)
    options: dict[str, Any] = {"replicates": 3} if intervals in ("bootstrap", "lesions") else {}
    fused = fastfuse.staple(votes_of("masks"), intervals=intervals, **options)
    assert (fused.intervals is None) == (intervals == "none")
    assert reads == ["fuse"]
