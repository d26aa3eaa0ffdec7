"""Vote tables: they add up, keep on disk, and tell all that a fusion needs of a volume."""

from __future__ import annotations

import re
import zipfile
from contextlib import suppress
from pathlib import Path
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
    with pytest.raises(ValueError, match="one rater only"):
        tabulate(votes[:1]).drop(0)


def test_names_must_agree() -> None:
    votes = votes_of("masks", 2)
    one, other = tabulate(votes, names=["Ann", "Bob"]), tabulate(votes, names=["Bob", "Ann"])
    with pytest.raises(ValueError, match=r"different raters \(Ann, Bob; Bob, Ann\)"):
        one + other
    assert one != other
    with pytest.raises(ValueError, match="different raters"):
        one + tabulate(votes)
    with pytest.raises(TypeError, match="unsupported operand"):
        one + 1
    with pytest.raises(ValueError, match="names has 3 entries for 2 raters"):
        tabulate(votes, names=["Ann", "Bob", "Eve"])
    with pytest.raises(ValueError, match="names holds a name twice"):
        VoteTable([[0, 1]], [1], ["Ann", "Ann"])


def test_tables_from_numbers() -> None:
    table = VoteTable([[1, 0], [0, 0], [1, 0]], [2, 3, 4])
    assert table == tabulate([[0, 0, 0, *[1] * 6], [0] * 9])
    assert table != "table"
    for patterns, counts in (
        ([[2, 0]], [1]),
        ([[0, 1]], [-1]),
        ([[0, 1]], [0.5]),
        ([[0, 1]], [1, 2]),
        ([0, 1], [1, 2]),
        ([[-0.1, 1]], [1]),
        ([[np.inf, 1]], [1]),
        ([[0, 1]], [np.nan]),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            VoteTable(patterns, counts)


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
        tabulate(votes)
    assert tabulate(np.round(votes, 1)).voxels == 200_000


def test_bad_votes_are_named() -> None:
    with pytest.raises(ValueError, match=r"^Bob holds 7 at voxel \(1,\) .*select_label=K"):
        tabulate([[0, 1], [0, 7]], names=["Ann", "Bob"])
    with pytest.raises(ValueError, match="votes must be finite"):
        tabulate([[0, np.nan]])


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "votes.npz"
    tabulate(votes_of("missing", 3), missing="nan", names=["Ann", "Bøb", "夏"]).save(path)
    return path


def test_saved_and_loaded(kept: Path) -> None:
    table = VoteTable.load(kept)
    assert table == tabulate(votes_of("missing", 3), missing="nan", names=["Ann", "Bøb", "夏"])
    assert table.names == ("Ann", "Bøb", "夏")
    table.save(str(kept))
    assert VoteTable.load(str(kept)) == table


def _rewritten(path: Path, **changes: Any) -> None:
    with np.load(path) as held:
        content = {name: held[name] for name in held.files} | changes
    np.savez(path, **{name: value for name, value in content.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": np.array(2)}, "is a vote table of version 2, and this fastfuse reads version 1"),
        ({"version": None}, "holds no vote table of fastfuse"),
        ({"format": np.array("other")}, "holds no vote table of fastfuse"),
        ({"format": None}, "holds no vote table of fastfuse"),
        ({"counts": np.array([1.0])}, "is damaged"),
        ({"counts": None}, "is damaged"),
        ({"patterns": np.array(["a"])}, "is damaged"),
        ({"names": np.array(["Ann"])}, r"is damaged \(names has 1 entries for 3 raters\)"),
        ({"version": np.array([1, 2])}, "holds no vote table of fastfuse"),
    ],
)
def test_files_of_another_content_are_refused(kept: Path, changes: dict[str, Any], sentence: str) -> None:
    _rewritten(kept, **changes)
    with pytest.raises(fastfuse.FastfuseError, match=rf"votes\.npz: {sentence}"):
        VoteTable.load(kept)


def _loaded(path: Path) -> VoteTable | None:
    """Return the table, None if the file is refused by its name."""
    with suppress(fastfuse.FastfuseError):
        return VoteTable.load(path)
    with pytest.raises(fastfuse.FastfuseError, match=re.escape(str(path))):
        VoteTable.load(path)
    return None


def test_damaged_and_foreign_files_are_refused(kept: Path, tmp_path: Path) -> None:
    whole, table = kept.read_bytes(), VoteTable.load(kept)
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        kept.write_bytes(damaged)
        assert _loaded(kept) in (table, None)  # a table where what changed has no meaning
    for content in (whole[: len(whole) // 2], b"", b"PK", b"no table"):
        kept.write_bytes(content)
        with pytest.raises(fastfuse.FastfuseError, match="cannot be read as a vote table"):
            VoteTable.load(kept)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(fastfuse.FastfuseError, match="holds no vote table"):
        VoteTable.load(tmp_path / "array.npy")
    with zipfile.ZipFile(kept, "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(fastfuse.FastfuseError, match="holds no vote table"):
        VoteTable.load(kept)
    np.savez(kept, format=np.array([{}], dtype=object))
    with pytest.raises(fastfuse.FastfuseError, match="cannot be read as a vote table"):
        VoteTable.load(kept)
    with pytest.raises(fastfuse.FastfuseError, match=r"none\.npz: there is no such file"):
        VoteTable.load(tmp_path / "none.npz")


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
    fused = fastfuse.staple(votes_of("masks"), intervals=intervals, replicates=3)
    assert (fused.intervals is None) == (intervals == "none")
    assert reads == ["fuse"]
