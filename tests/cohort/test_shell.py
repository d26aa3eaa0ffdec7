"""``fastfuse cohort``: what is typed, what is printed, and how it ends."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.cohort.told.printing import print_cohort
from fastfuse.images.outputs import Outputs

from ..command import run_here
from .files import GLOB, contents, fused, make_cohort, mask_path, masks, save


def fuse(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_here(
        folder,
        "cohort",
        "fuse",
        "in",
        "--out",
        "out",
        "--glob",
        GLOB,
        "--method",
        "staple",
        "--replicates",
        "5",
        *words,
    )


def test_a_failure_is_told_at_the_end_and_ends_with_3(tmp_path: Path) -> None:
    root = make_cohort(tmp_path / "in", 3)
    mask_path(root, "case-01", "Bob").write_bytes(b"no image")
    done = fuse(tmp_path)
    assert done.returncode == 3
    errors = done.stderr.splitlines()
    assert errors[-1] == "error: 1 of 3 cases failed; the others are done"
    assert errors[-2].startswith("error: case-01: ")
    assert "Bob.nii.gz" in errors[-2]
    assert "Traceback" not in done.stderr
    assert [line.split(":")[0] for line in errors[:5]] == [
        "case-00",
        "case-01",
        "case-02",
        "case-00",
        "case-02",
    ]
    assert "raters over all cases" in done.stdout
    assert "3 cases: 2 fused, 0 left as they were, 1 failed; 2 counted" in done.stdout
    save(mask_path(root, "case-01", "Bob"), masks(1)[1])
    done = fuse(tmp_path, "--json", "--refresh")
    assert done.returncode == 0
    facts = json.loads(done.stdout)
    assert (facts["counted"], facts["fused"]) == (["case-01"], ["case-00", "case-01", "case-02"])
    assert facts == json.loads((tmp_path / "out" / "cohort.json").read_text())


def test_a_failure_names_options_as_they_are_typed(tmp_path: Path) -> None:
    """In the terminal and in JSON; a grid is one of the case's files there. What is advised works."""
    root = make_cohort(tmp_path / "in", 2)
    bob = mask_path(root, "case-01", "Bob")
    image = nib.load(bob)
    moved = np.array(image.affine)
    moved[0, 3] += 0.4
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj), moved), bob)
    done = fuse(tmp_path)
    advice = "if its place is right, pass --resample nearest, with the grid of all: --grid rater:NAME"
    progress, at_the_end = (line for line in done.stderr.splitlines() if "case-01: " in line)
    assert progress.endswith(advice)
    assert at_the_end.endswith(advice)
    assert json.loads((tmp_path / "out" / "cohort.json").read_text())["failed"]["case-01"].endswith(advice)
    found = fused(root, tmp_path / "python")
    assert found.failed["case-01"].endswith("resample='nearest', with the grid of all: grid='rater:NAME'")
    assert fuse(tmp_path, "--resample", "nearest", "--grid", "rater:Ann").returncode == 0


def test_the_last_line_adds_up(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 2)
    fuse(tmp_path)
    make_cohort(tmp_path / "in", 3)
    done = fuse(tmp_path)
    told = "3 cases: 1 fused, 0 left as they were, 2 left on earlier rates; "
    assert told in " ".join(done.stdout.split())


RATERS = [
    ("anna", 0.8001, [0.7, 0.9], 0.99942, [0.99902, 0.99949]),
    ("bert", 0.99997, [0.99996, 0.999981], 1 - 1e-7, [1 - 2e-7, 1 - 1e-8]),
    ("[b]", 0.5, [None, None], 0.5, [None, None]),
]
NAMES = ("rater", "sensitivity", "sensitivity_95", "specificity", "specificity_95")
FACTS = {
    "raters": [{"cases": 3, **dict(zip(NAMES, one, strict=True))} for one in RATERS],
    "cases": 3,
    "fused": [],
    "skipped": ["a", "b", "c"],
    "of_earlier_rates": [],
    "failed": {},
    "counted": [],
    "warnings": {},
}


def test_estimates_lie_within_the_intervals_that_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Two ends that differ look different, and no less exact than the estimate."""
    print_cohort(FACTS, Path("out"))
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines() if "–" in line or ">" in line]
    found = [[word.strip() for word in row if word.strip()] for row in rows]
    assert found == [
        ["anna", "3", "0.8001", ".7000–.9000", "0.9994", ".9990–.9995"],
        ["bert", "3", "0.99997", ".99996–.99998", "1.0000", "> .9999"],
    ]


LONG = [
    f"{name}_who_is_called_so_at_the_department_of_neuroradiology_at_site_{name}"
    for name in ("anna", "bert", "eve")
]


@pytest.mark.parametrize("labels", [False, True], ids=["masks", "labels"])
@pytest.mark.parametrize("columns", [48, 60, 80, 132])
def test_no_table_of_long_names_is_wider_than_the_terminal(
    columns: int, labels: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are folded, and whole: no letter, and no digit of a rate, is lost."""
    monkeypatch.setenv("COLUMNS", str(columns))
    rows = [{**one, "rater": name} for one, name in zip(FACTS["raters"], LONG, strict=True)]
    if labels:
        rows = [{**one, "label": label} for one in rows for label in ("necrosis", "edema")]
    print_cohort({**FACTS, "raters": rows}, Path("out"))
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > columns] == []
    table = lines[2 : lines.index("", 2)]
    whole = "".join("".join(line.split()[:1]) for line in table if line[1] != " ")
    for name in LONG:
        assert whole.count(name) == 1 + labels
    text = " ".join(" ".join(table).split())
    for found in ("0.8001", ".7000–.9000", ".99996–.99998", "0.5000", *([] if labels else [".9990–.9995"])):
        assert found in text


@pytest.mark.parametrize(("columns", "title"), [(80, "sensitivity"), (60, "sens."), (48, "sensitivity")])
def test_short_names_stay_whole(
    columns: int, title: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Titles are short, then intervals stand below rates."""
    monkeypatch.setenv("COLUMNS", str(columns))
    print_cohort(FACTS, Path("out"))
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > columns] == []
    assert title in "\n".join(lines[2:4])
    assert re.search(r"^ anna +3 +0\.8001 ", "\n".join(lines), re.MULTILINE)


def test_what_long_names_share_is_said_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"department_of_neuroradiology_at_the_university_hospital_rater_{k}" for k in (1, 2, 3)]
    rows = [{**one, "rater": name} for one, name in zip(FACTS["raters"], names, strict=True)]
    print_cohort({**FACTS, "raters": rows}, Path("out"))
    said = capsys.readouterr().out
    assert re.findall(r"^ ([123]) +3 ", said, re.MULTILINE) == ["1", "2", "3"]
    assert f"All names begin with {names[0][:-1]}." in " ".join(said.split())


def test_names_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_cohort(FACTS, Path("out"))
    assert re.search(r"^ \[b\] +3 +0\.5000 +0\.5000$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(("name", "made"), [("case-01.npz", 2), ("consensus.json", 5), ("raters.csv", 9)])
def test_a_full_disk_is_told_without_what_is_not_so(
    tmp_path: Path, name: str, made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of other cases were written before, so that something was changed."""
    make_cohort(tmp_path / "in", 2)
    fsync = os.fsync

    def full(descriptor: int) -> None:
        if opened[-1] == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    opened: list[str] = []
    beside = Outputs._beside

    def noted(self: Outputs, path: Path, kind: str) -> Path:
        opened.append(path.name)
        return beside(self, path, kind)

    with monkeypatch.context() as patched:
        patched.setattr(Outputs, "_beside", noted)
        patched.setattr(os, "fsync", full)
        done = fuse(tmp_path)
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert (
        f"{name}: cannot be written (No space left on device); what is done is kept: the same command" in line
    )
    assert "nothing was changed" not in done.stderr
    assert len(contents(tmp_path / "out")) >= made
    assert fuse(tmp_path).returncode == 0


def test_shards_in_the_shell(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 3)
    for words, told in (
        (("--shard", "1/2"), "2 cases: 0 fused, 0 left as they were, 2 not fused by this step; 2 counted"),
        (("--shard", "2/2"), "1 case: 0 fused, 0 left as they were, 1 not fused by this step; 1 counted"),
        (("--merge",), "3 cases: 0 fused, 0 left as they were, 3 not fused by this step; 0 counted"),
        (("--shard", "1/2", "--apply"), "2 cases: 2 fused, 0 left as they were; 0 counted"),
        (("--shard", "2/2", "--apply"), "1 case: 1 fused, 0 left as they were; 0 counted"),
        ((), "3 cases: 0 fused, 3 left as they were; 0 counted"),
    ):
        done = fuse(tmp_path, *words)
        assert done.returncode == 0, done.stderr
        assert told in " ".join(done.stdout.split())
    assert len(list((tmp_path / "out" / "cases").iterdir())) == 3
    for wrong in ("2", "0/2", "3/2", "a/b"):
        done = fuse(tmp_path, "--shard", wrong)
        assert done.returncode == 2
        assert "shard is " in done.stderr


def test_options_of_one_case_are_refused(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 1)
    done = fuse(tmp_path, "--prior", "smooth:4")
    assert (done.returncode, done.stdout) == (2, "")
    assert "a map is one case's" in done.stderr
    assert not (tmp_path / "out").exists()
    done = run_here(tmp_path, "cohort", "fuse", "in", "--out", "out")
    assert done.returncode == 2
    assert "no case found" in done.stderr


def test_interrupted_it_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_cohort(tmp_path / "in", 2)
    add = Outputs.add

    def interrupted(self: Outputs, path: Path, content: bytes) -> None:
        if path.name == "case-01.npz":
            raise KeyboardInterrupt
        add(self, path, content)

    with monkeypatch.context() as patched:
        patched.setattr(Outputs, "add", interrupted)
        done = fuse(tmp_path)
    assert done.returncode == 130
    assert (
        done.stderr.splitlines()[-1]
        == "error: interrupted; what is done is kept: the same command goes on from there"
    )
    assert set(contents(tmp_path / "out")) == {"tables/case-00.npz", "tables/case-00.json"}
    assert fuse(tmp_path).returncode == 0


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_export_asks_and_merge_and_apply(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 5)
    assert fuse(tmp_path).returncode == 0
    words = ("cohort", "export", "out", "--out", "a.npz")
    done = run_here(tmp_path, *words)
    assert done.returncode == 2
    assert "nobody can be asked here" in done.stderr
    assert not (tmp_path / "a.npz").exists()
    done = run_here(tmp_path, *words, "--yes")
    assert done.returncode == 0
    assert done.stdout.startswith("a sum over 5 cases, 3 raters by pseudonym, ")
    assert (
        "no name of a rater, case or file, no path, hash, image or place in an image is in it" in done.stdout
    )
    assert "export in batches of at least 5 new cases" in " ".join(done.stdout.split())
    assert fastfuse.VoteTable.load(tmp_path / "a.npz").voxels == pytest.approx(5 * 720, abs=60)
    assert "exists already" in run_here(tmp_path, *words, "--yes").stderr
    done = run_here(tmp_path, "cohort", "merge", "a.npz", "--out", "merged", "--method", "staple")
    assert done.returncode == 0, done.stderr
    words = ("cohort", "merge", "a.npz", "--out", "merged", "--method", "majority")
    before = contents(tmp_path / "merged")
    done = run_here(tmp_path, *words)
    assert done.returncode == 2
    assert "merged.npz: exists already; choose another name or pass --overwrite" in " ".join(
        done.stderr.split()
    )
    done = run_here(tmp_path, *words[:2], "merged/merged.npz", *words[3:], "--overwrite")
    assert "is one of the inputs" in " ".join(done.stderr.split())
    assert contents(tmp_path / "merged") == before
    done = run_here(tmp_path, *words[:-1], "staple", "--prior", "estimate", "--overwrite")
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "merged") != before
    applied = ("cohort", "apply", "merged/estimate.json", "in", "--out", "applied", "--glob", GLOB)
    done = run_here(tmp_path, *applied, "--pseudonyms", "out/pseudonyms.csv")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "applied" / "cases").iterdir())) == 5
    done = run_here(tmp_path, *applied[:4], "--out", "nameless", "--glob", GLOB)
    assert done.returncode == 3  # whom the pseudonyms are of, nobody has said
    assert "no rater 'Ann'" in done.stderr or "nothing of Ann" in done.stderr


def test_its_help_loads_no_numpy() -> None:
    code = "import sys, fastfuse.cli.cohort as c; assert not {'numpy', 'nibabel', 'fastfuse._core'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
