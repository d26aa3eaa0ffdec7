"""Tables and figures replace only what fastfuse wrote: a file of the user is refused by name, and stays."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest import mock

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse.errors import FastfuseError, OutputError
from fastfuse.train.experiment import run_experiment
from fastfuse.train.table_files import NAMES, RECORD, TABLES, check_tables, write_tables
from fastfuse.train.tables import make_tables

from ...command import run_here
from ..common import options
from ..conftest import DRAWING

PRECIOUS = b"precious"


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PRECIOUS)
    return path


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_each_name(seeds: Path, tmp_path: Path, name: str) -> None:
    """In the top folder of several seeds, or in one of the user's: nothing is written beside it either."""
    run = shutil.copytree(seeds, tmp_path / "run")
    for out in (None, tmp_path / "own"):
        folder = run if out is None else out
        path = put(folder / name)
        before = content(folder)
        with pytest.raises(
            OutputError, match=rf"{path.name}: exists and is not as fastfuse wrote .* --overwrite"
        ):
            make_tables([run], out)
        assert content(folder) == before


def test_a_table_that_was_edited(seeds: Path, tabled: Path, tmp_path: Path) -> None:
    """Ours are made again without a word; one with the user's notes is not, unless they say so."""
    out, first = shutil.copytree(tabled / "tables", tmp_path / "out"), content(tabled / "tables")
    make_tables([seeds], out)
    assert content(out) == first
    drawn = {name: kept for name, kept in first.items() if name.startswith("figures/")}
    assert len(drawn) == 6
    with (out / "table1.md").open("a") as file:
        file.write("My notes.\n")
    noted = (out / "table1.md").read_bytes()
    with pytest.raises(OutputError, match=r"table1\.md: exists and is not"):
        make_tables([seeds], out)
    assert (out / "table1.md").read_bytes() == noted
    with mock.patch("fastfuse.train.conclude._figures", return_value=drawn):
        make_tables([seeds], out, overwrite=True)
    assert content(out) == first


def test_the_command(seeds: Path, tmp_path: Path) -> None:
    shutil.copytree(seeds, tmp_path / "run")
    put(tmp_path / "metrics.csv")
    put(tmp_path / "table1.tex")
    done = run_here(tmp_path, "table", "run", "--out", ".")
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert "metrics.csv, table1.tex: exist and are not as fastfuse wrote tables there" in said
    assert (tmp_path / "metrics.csv").read_bytes() == PRECIOUS
    with mock.patch(DRAWING):
        assert run_here(tmp_path, "table", "run", "--out", ".", "--overwrite").returncode == 0
    assert (tmp_path / "metrics.csv").read_bytes() != PRECIOUS


@pytest.mark.parametrize("name", [*TABLES, "figures/mine.png", "consensus/Patient_01/staple.nii.gz", RECORD])
def test_the_top_folder_of_new_seeds(cohort: Path, tmp_path: Path, name: str) -> None:
    """Refused before any work, as a folder of one seed is."""
    out = tmp_path / "r"
    put(out / name)
    with pytest.raises(
        FastfuseError, match=rf"holds {name.split('/')[0]}, as a run writes them, but no run of a"
    ):
        run_experiment(cohort, out, options("methods=staple"), seeds=[0, 1])
    assert content(out) == {name: PRECIOUS}


@pytest.mark.usefixtures("no_figures")
def test_a_run_that_goes_on(cohort: Path, tmp_path: Path) -> None:
    """It makes its own tables again, whatever has become of them."""
    out, few = tmp_path / "r", options("methods=staple", "training.epochs=1", "training.validation=none")
    run_experiment(cohort, out, few)
    want = {name: kept for name, kept in content(out).items() if "table1" in name}
    for name in want:
        put(out / name)
    run_experiment(cohort, out, few, resume=True)
    assert {name: content(out)[name] for name in want} == want


def test_killed_between_two_files(tmp_path: Path) -> None:
    """What a process leaves that was killed amid its renames is ours, the old and the new."""
    write_tables(tmp_path, {"table1.md": b"old", "table1.csv": b"old"})
    write_tables(tmp_path, {"table1.md": b"new", "table1.csv": b"new"})
    (tmp_path / "table1.csv").write_bytes(b"old")
    check_tables(tmp_path)
    (tmp_path / "table1.csv").write_bytes(b"older")
    with pytest.raises(OutputError, match=r"table1\.csv: exists and is not"):
        check_tables(tmp_path)


@pytest.mark.parametrize("kept", [b"", b"{", b"[]", b"{}", b'{"table1.md": 1}'])
def test_a_record_of_others(tmp_path: Path, kept: bytes) -> None:
    (tmp_path / RECORD).write_bytes(kept)
    with pytest.raises(OutputError, match=r"tables\.json: exists and is no record"):
        check_tables(tmp_path)
