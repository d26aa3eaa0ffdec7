"""What is recorded repeats the fit; tied voxels are counted; the demo's command can be pasted."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.demo.labels import LabelDemo
from fastfuse.demo.organs import NAMES
from fastfuse.demo.printing import print_labels

from ...command import run_here
from ..files import load, raters, saved

pytestmark = pytest.mark.filterwarnings("ignore:.*never gives label")


@pytest.mark.parametrize(
    "options",
    [{}, {"init": "itk"}, {"performance_prior": None}, {"candidates": "all"}, {"prior": "estimate"}],
)
def test_what_auto_came_to(tmp_path: Path, options: dict[str, Any]) -> None:
    """The sidecar has no "auto": its options give the same bits."""
    paths = saved(tmp_path)
    fusion = fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all", **options)
    found = json.loads((tmp_path / "o.json").read_text())["options"]
    names = ("init", "candidates", "performance_prior", "prior", "confusion")
    recorded = {name: found[name] for name in names}
    assert "auto" not in recorded.values()
    again = fastfuse.staple(raters(), labels="all", **recorded)
    np.testing.assert_array_equal(again.confusion, fusion.confusion)
    np.testing.assert_array_equal(again.label(), fusion.label())


@pytest.mark.filterwarnings("ignore:.*they hold no voxel size")
def test_two_labels(tmp_path: Path) -> None:
    paths = saved(tmp_path)
    two = [tmp_path / f"t{k}.npy" for k in range(4)]
    for k, path in enumerate(two):
        np.save(path, (load(paths[k]) > 0).astype(np.uint8))
    fastfuse.fuse_files(two, tmp_path / "o.nii", labels="all")
    found = json.loads((tmp_path / "o.json").read_text())["options"]
    assert (found["init"], found["candidates"], found["performance_prior"]) == ("vote", "all", None)


@pytest.mark.parametrize(("count", "undecided"), [(2, 255), (2, -3), (4, 9), (3, 1000)])
def test_tied_voxels(tmp_path: Path, count: int, undecided: int) -> None:
    saved(tmp_path, count=count)
    files = [f"r{k}.nii.gz" for k in range(count)]
    done = run_here(
        tmp_path,
        "fuse",
        *files,
        "-o",
        "o.nii",
        "--labels",
        "all",
        "--method",
        "majority",
        "--undecided",
        str(undecided),
    )
    tied = int((load(tmp_path / "o.nii") == undecided).sum())
    assert f"Labels are tied at {tied:,} voxel" in done.stdout
    assert json.loads((tmp_path / "o.json").read_text())["undecided"]["voxels"] == tied > 0
    assert f"\n{undecided}\tundecided\n" in (tmp_path / "o.tsv").read_text()


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_nothing_tied(tmp_path: Path) -> None:
    fastfuse.fuse_files(saved(tmp_path)[:1], tmp_path / "o.nii", labels="all", undecided=9)
    assert json.loads((tmp_path / "o.json").read_text())["undecided"]["voxels"] == 0
    assert "undecided" not in (tmp_path / "o.tsv").read_text()


@pytest.mark.parametrize("columns", ["48", "60", "80", "200"])
@pytest.mark.parametrize("folder", ["demo-labels", "a folder"])
def test_the_demos_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str, folder: str
) -> None:
    """Pasted, it is one command, whatever the terminal's width."""
    from fastfuse.demo.labels import _command

    monkeypatch.setenv("COLUMNS", columns)
    command = _command(Path(folder))
    dice = {fit: dict.fromkeys(NAMES, 0.5) for fit in ("majority", "staple")}
    accuracy = {"majority": 0.5, "staple": 0.5}
    made = LabelDemo(Path(folder), Path("f.png"), dice, accuracy, {"truth": 0.5, "a": 0.5}, command)
    print_labels(made, {1: "liver"}, list(dice), "lesion")
    shown = capsys.readouterr().out.partition("The same in the shell:\n")[2]
    assert max(map(len, shown.splitlines())) <= max(int(columns), max(map(len, shlex.split(command))) + 6)
    assert shlex.split(shown.replace("\\\n", " ")) == shlex.split(command)
    assert all(line.endswith(" \\") for line in shown.splitlines()[:-1])
    assert shlex.split(command)[2] == f"{folder}/raters/*.nii.gz"
