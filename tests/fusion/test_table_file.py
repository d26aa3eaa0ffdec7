"""The file of a vote table: complete or as it was, and refused with a sentence where it is damaged."""

from __future__ import annotations

import os
import re
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import VoteTable, tabulate

from .test_vote_table import votes_of


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
        ({"counts": None}, r"is damaged \(it holds no counts\)"),
        ({"patterns": np.array(["a"])}, "is damaged"),
        ({"patterns": np.zeros((2, 3), complex)}, r"is damaged \(patterns holds elements of type complex128"),
        ({"counts": np.array([1e300])}, "is damaged"),
        ({"version": np.array(1.5)}, "is a vote table of version 1.5"),
        ({"version": np.array(True)}, "is a vote table of version True"),
        ({"names": np.array(["Ann"])}, r"is damaged \(names has 1 entry for 3 raters: give one for each\)"),
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
    for content in (whole[: len(whole) // 2], b"PK"):
        kept.write_bytes(content)
        with pytest.raises(fastfuse.FastfuseError, match="cannot be read as a vote table"):
            VoteTable.load(kept)
    for content in (b"", b"no table"):
        kept.write_bytes(content)
        with pytest.raises(fastfuse.FastfuseError, match=r"votes\.npz: is no \.npz file of a vote table$"):
            VoteTable.load(kept)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(fastfuse.FastfuseError, match="holds no vote table"):
        VoteTable.load(tmp_path / "array.npy")
    with zipfile.ZipFile(kept, "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(fastfuse.FastfuseError, match="holds no vote table"):
        VoteTable.load(kept)
    np.savez(kept, format=np.array([{}], dtype=object))
    with pytest.raises(fastfuse.FastfuseError, match=r"cannot be read .*\(it holds Python objects\)$"):
        VoteTable.load(kept)
    with pytest.raises(fastfuse.FastfuseError, match=r"cannot be read as a vote table \(Is a directory\)"):
        VoteTable.load(tmp_path)
    with pytest.raises(TypeError, match="path is of type NoneType, not a path"):
        VoteTable.load(None)
    with pytest.raises(fastfuse.FastfuseError, match=r"none\.npz: there is no such file"):
        VoteTable.load(tmp_path / "none.npz")


def test_a_failed_save_leaves_what_was_there(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, table = kept.read_bytes(), VoteTable([[0, 1]], [1])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, "fsync", full)
        with pytest.raises(fastfuse.OutputError, match=r"votes\.npz: cannot be written \(No space left"):
            table.save(kept)
    assert kept.read_bytes() == before
    assert [path.name for path in kept.parent.iterdir()] == ["votes.npz"]
    with pytest.raises(fastfuse.OutputError, match=r"the folder .* does not exist; make it first"):
        table.save(kept.parent / "none" / "votes.npz")
    with pytest.raises(fastfuse.OutputError, match="is a folder; choose another name"):
        table.save(kept.parent)
    with pytest.raises(TypeError, match="path is of type int"):
        table.save(3)
