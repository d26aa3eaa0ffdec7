"""Tables come from other sites: no file of theirs takes the memory of this one, or is unpacked for nothing."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse.fusion import table_file


@pytest.fixture
def bomb(tmp_path: Path) -> Path:
    """A table of votes with 64 MB of zeros, in a file of 64 kB."""
    path = tmp_path / "site-b.npz"
    table = fastfuse.tabulate([[0, 1], [1, 1]], names=["a", "b"])
    kind, arrays = table.as_arrays()
    path.write_bytes(table_file.table_bytes(kind, **arrays, junk=np.zeros(8_000_000)))
    assert path.stat().st_size < 100_000
    return path


def test_what_no_table_holds_is_not_unpacked(bomb: Path) -> None:
    tracemalloc.start()
    table = fastfuse.VoteTable.load(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert table.names == ("a", "b")
    assert peak < 10_000_000


def test_arrays_beyond_the_memory_are_refused_before_they_are_unpacked(
    bomb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "available", lambda: 100_000_000)
    fastfuse.VoteTable.load(bomb)  # its own arrays are small
    with zipfile.ZipFile(bomb) as packed:
        arrays = {name: packed.read(name) for name in packed.namelist()}
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in {**arrays, "counts.npy": arrays["junk.npy"]}.items():
            packed.writestr(name, content)
    tracemalloc.start()
    with pytest.raises(
        fastfuse.FastfuseError, match="its arrays need 128 MB of memory, more than the 100 MB that are free"
    ):
        fastfuse.VoteTable.load(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
