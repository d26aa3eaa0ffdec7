"""What messages call files of one name, a file named twice, and several of which the same is said; counts of one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading
from fastfuse.images.paths import short_names
from fastfuse.inputs.names import counted, grouped

from .common import save


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/r0.nii", "a/r1.nii"], ["r0.nii", "r1.nii"]),
        (["r0/c.nii", "r1/c.nii"], ["r0/c.nii", "r1/c.nii"]),
        (["r0/out/c.nii", "r1/out/c.nii"], ["r0/out/c.nii", "r1/out/c.nii"]),
        (["deep/r0/c.nii", "r1/c.nii", "far/x.nii"], ["r0/c.nii", "r1/c.nii", "x.nii"]),
        (["/t/c.nii", "/t/r1/c.nii"], ["t/c.nii", "r1/c.nii"]),
        (["/c.nii", "/t/c.nii"], ["/c.nii", "t/c.nii"]),
        (
            ["r0.nii", "./r0.nii", "d/../r0.nii", "r1.nii"],
            ["r0.nii (1)", "r0.nii (2)", "r0.nii (3)", "r1.nii"],
        ),
        (["a/r.nii", "b/r.nii", "./a/r.nii"], ["a/r.nii (1)", "b/r.nii", "a/r.nii (2)"]),
    ],
)
def test_short_names(paths: list[str], names: list[str]) -> None:
    assert short_names(paths) == names


@pytest.mark.parametrize("kind", ["spelling", "symlink", "hard link"])
def test_one_file_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, masks: np.ndarray
) -> None:
    """It is told, and the rows are told apart."""
    monkeypatch.chdir(tmp_path)
    save(Path("r0.nii"), masks[0])
    save(Path("r1.nii"), masks[1])
    other = "./r0.nii" if kind == "spelling" else "again.nii"
    if kind == "symlink":
        Path(other).symlink_to("r0.nii")
    if kind == "hard link":
        os.link("r0.nii", other)
    with pytest.warns(fastfuse.FusionWarning, match=r"r0\.nii.* one file: it is given as two raters"):
        fastfuse.fuse_files(["r0.nii", other, "r1.nii"], "c.nii")
    raters = [rater["name"] for rater in json.loads(Path("c.json").read_text())["raters"]]
    assert len({*raters}) == 3


@pytest.mark.parametrize(
    ("remark", "several"),
    [
        (
            "its values are 0 and 255: 255 is taken as 1",
            "a, b: their values are 0 and 255: 255 is taken as 1",
        ),
        (
            "its header gives no voxel size: 1 mm is taken",
            "a, b: their headers give no voxel size: 1 mm is taken",
        ),
        ("it holds no voxel size: 1 mm is taken", "a, b: they hold no voxel size: 1 mm is taken"),
        ("its bitpix contradicts its datatype", "a, b: each: its bitpix contradicts its datatype"),
        ("padded with 0", "a, b: padded with 0"),
    ],
)
def test_said_of_several(remark: str, several: str) -> None:
    assert grouped([f"a: {remark}", f"b: {remark}"]) == [several]
    assert grouped([f"a: {remark}", f"a: {remark}"]) == [f"a: {remark}"]


def test_clauses_stay_sentences() -> None:
    """What stands before a colon is no name where it is half of the sentence."""
    remarks = [
        f"{name} are one file: it is given as two raters; leave copies out" for name in ("a and b", "c and d")
    ]
    assert grouped(remarks) == remarks
    assert grouped(
        ["x is a consensus, not a rater's: leave it out", "y is a consensus, not a rater's: leave it out"]
    ) == [
        "x is a consensus, not a rater's: leave it out",
        "y is a consensus, not a rater's: leave it out",
    ]


@pytest.mark.parametrize(
    ("number", "what", "form", "told"),
    [
        (1, "voxel", "", "1 voxel"), (0, "voxel", "", "0 voxels"), (2, "box", "", "2 boxes"), (3, "class", "", "3 classes"),
        (2, "entry", "", "2 entries"), (1.0000001, "voxel", ".3g", "1 voxel"), (0.5, "voxel", ".3g", "0.5 voxels"),
        (1200, "byte", ",", "1,200 bytes"), (1, "epoch", "", "1 epoch"), (2, "epoch", "", "2 epochs"),
    ],
)  # fmt: skip
def test_counts(number: float, what: str, form: str, told: str) -> None:
    assert counted(number, what, form) == told


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a\0.nii.gz", r"^the name of an? (file|output) holds a NUL character, .*\\x00"),
        (Path("b") / "\0.nii.gz", r"^the name of an? (file|output) holds a NUL character, .*\\x00"),
        (
            "c" * 5000 + ".nii.gz",
            r"^c{5000}\.nii\.gz: cannot be (found|written|read as a vote table) \(File name too long",
        ),
    ],
)
def test_a_name_that_no_file_can_have(tmp_path: Path, name: str | Path, said: str) -> None:
    masks = [save(tmp_path / f"{i}.nii.gz", np.eye(4, dtype=np.uint8)[..., None]) for i in range(2)]
    out = tmp_path / "out.nii.gz"
    table = fastfuse.tabulate([[0, 1], [1, 1]])
    calls: list[Callable[[], object]] = [
        lambda: fastfuse.fuse_files([*masks, name], out),
        lambda: fastfuse.fuse_files(masks, name),
        lambda: fastfuse.fuse_files(masks, out, save_label=name),
        lambda: fastfuse.fuse_files(masks, out, mask=name),
        lambda: fastfuse.fuse_files(masks, out, prior=name),
        lambda: fastfuse.fuse_files(masks, out, labels="all", prior=[name, masks[0]]),
        lambda: fastfuse.fuse_files(masks, out, grid=name),
        lambda: fastfuse.soften_files(masks, name, out_dir=tmp_path),
        lambda: fastfuse.soften_files(masks, masks[0], out_dir=name),
        lambda: fastfuse.evaluate_files(name, masks[0]),
        lambda: fastfuse.evaluate_folders(name, tmp_path),
        lambda: fastfuse.fuse_cohort(name, tmp_path / "out"),
        lambda: fastfuse.fuse_cohort(tmp_path, name),
        lambda: fastfuse.evaluate_against_rater_files(masks[0], [masks[1], name]),
        lambda: fastfuse.agreement_files(masks, output=name),
        lambda: fastfuse.compare_files(masks, truth=name),
        lambda: table.save(name),
        lambda: fastfuse.VoteTable.load(name),
        lambda: reading.read(name),
    ]
    for call in calls:
        with pytest.raises(fastfuse.FastfuseError, match=said):
            call()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.nii.gz", "1.nii.gz"]
