"""The mask of files that is best for Dice: what is written, recorded, printed and said derives from one cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..cli.common import AFFINE, MASKS, case_in, load, save
from ..command import run_here

VOXEL_ML = abs(np.linalg.det(AFFINE[:3, :3])) / 1000
SOFT = [f"network_{i}.nii.gz" for i in range(4)]
JOBS = {
    "masks": [*MASKS, "--method", "staple"],
    "their mean": [*MASKS, "--method", "majority", "--mask", "brain.nii.gz"],
    "probabilities": [*SOFT, "--method", "majority"],
    "a margin": [*MASKS, "--method", "staple", "--roi", "4"],
    "in dispute": [*MASKS, "--method", "staple", "--roi", "disputed"],
    "grown": [*MASKS, "--soften", "--image", "flair.nii.gz"],
    "dilated": [*MASKS, "--method", "dilated-staple", "--image", "flair.nii.gz"],
}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return case_in(tmp_path_factory.mktemp("case"))


def best_mask(w: Any) -> Any:
    """Return the prefix of the highest 2 Σ w / (k + M), by trying all."""
    values = np.sort(w.ravel().astype(np.float64))[::-1]
    scores = 2 * np.cumsum(values) / (np.arange(1, len(values) + 1) + values.sum())
    ends = np.flatnonzero(np.append(values[:-1] != values[1:], True))  # equal voxels are in together
    return w >= values[ends[np.argmax(scores[ends])]]


@pytest.mark.parametrize("job", JOBS)
def test_one_cut(case: Path, tmp_path: Path, job: str) -> None:
    out = ["-o", str(tmp_path / "c.nii.gz"), "--save-label", str(tmp_path / "l.nii.gz")]
    done = run_here(case, "fuse", *JOBS[job], *out, "--label-rule", "dice", columns=200)
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "c.json").read_text())
    mask = load(tmp_path / "l.nii.gz")
    np.testing.assert_array_equal(mask, best_mask(load(tmp_path / "c.nii.gz")))
    cut = facts["options"]["cut"]
    assert facts["options"]["label_rule"] == "dice"
    assert 0 < cut <= 0.5
    np.testing.assert_array_equal(mask, load(tmp_path / "c.nii.gz") >= np.float32(cut))
    assert facts["foreground"]["voxels"] == mask.sum()
    row = next(line for line in done.stdout.splitlines() if f"consensus, cut {cut:.3g} for Dice" in line)
    assert f"{mask.sum() * VOXEL_ML:.2f}" in row


@pytest.mark.filterwarnings("ignore:.*the model does not fit")
def test_the_same_in_python(case: Path, tmp_path: Path) -> None:
    paths = [case / name for name in MASKS]
    fusion = fastfuse.fuse_files(
        paths, tmp_path / "c.nii.gz", method="staple", cut="dice", save_label=tmp_path / "l.nii.gz"
    )
    np.testing.assert_array_equal(load(tmp_path / "l.nii.gz"), fusion.label("dice"))


def test_the_usual_rule_is_as_before(case: Path, tmp_path: Path) -> None:
    for words in ([], ["--label-rule", "cut"], ["--cut", "0.5", "--ties", "foreground"]):
        out = ["-o", str(tmp_path / "c.nii.gz"), "--overwrite"]
        assert run_here(case, "fuse", *MASKS, *out, *words).returncode == 0
        options = json.loads((tmp_path / "c.json").read_text())["options"]
        assert options["cut"] == 0.5
        assert "label_rule" not in options
        assert "ties" not in options


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cut", "0.5"], "--cut is given, and --label-rule dice finds the cut: leave one of both out"),
        (["--ties", "background"], "--ties is given, and --label-rule dice finds the cut"),
        (["--ties", "foreground"], "--ties is given, and --label-rule dice finds the cut"),
        (["--labels", "all"], "--label-rule is 'dice': not for label maps"),
    ],
)
def test_refusals(case: Path, tmp_path: Path, words: list[str], said: str) -> None:
    done = run_here(
        case, "fuse", *MASKS, "-o", str(tmp_path / "c.nii.gz"), "--label-rule", "dice", *words, columns=200
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "c.nii.gz").exists()


@pytest.mark.parametrize("cut", ["best", "", "0.5"])
def test_what_is_no_rule_in_python(case: Path, tmp_path: Path, cut: Any) -> None:
    paths: list[Any] = [case / name for name in MASKS]
    for more in ({}, {"labels": [1], "overlap": True}):
        any_fuse: Any = fastfuse.fuse_files
        with pytest.raises(ValueError, match="it must be 'dice' or a number in"):
            any_fuse(paths, tmp_path / "c.nii.gz", cut=cut, **more)
    with pytest.raises(ValueError, match="ties is 'background', and cut is 'dice'"):
        fastfuse.fuse_files(
            paths, tmp_path / "c.nii.gz", cut="dice", ties="background", save_label=tmp_path / "l.nii.gz"
        )


@pytest.mark.filterwarnings("ignore:1. r1.* hold the same votes")
def test_structures_have_their_own(tmp_path: Path) -> None:
    """Of one structure all are sure, of the other nobody: one cut for both would not be the best of either."""
    rng = np.random.default_rng(0)
    paths = []
    for i in range(4):
        labels = np.zeros((16, 16, 16), np.uint8)
        labels[: 6 + (i == 0), 2:8, 2:8] = 1
        labels[8:, 2:14, 2:14] = 2 * (rng.random((8, 12, 12)) < 0.4)
        paths.append(save(tmp_path / f"r{i}.nii.gz", labels))
    found: Any = fastfuse.fuse_files(
        paths, tmp_path / "c.nii.gz", method="majority", labels=[1, 2], overlap=True, cut="dice",
        save_label=tmp_path / "l.nii.gz",
    )  # fmt: skip
    facts = json.loads((tmp_path / "c.json").read_text())
    assert facts["options"]["label_rule"] == "dice"
    assert "cut" not in facts["options"]
    masks = np.asanyarray(nib.load(tmp_path / "l.nii.gz").dataobj)
    cuts = [one["options"]["cut"] for one in facts["structures"]]
    assert cuts[0] > 0.48
    assert cuts[1] < 0.4
    for at, one in enumerate(found.values()):
        np.testing.assert_array_equal(masks[..., at], best_mask(one.probability))
        assert facts["structures"][at]["foreground"]["voxels"] == masks[..., at].sum()
    done = run_here(
        tmp_path, "fuse", *[one.name for one in paths], "-o", "d.nii.gz", "--method", "majority", "--labels",
        "1,2", "--overlap", "--label-rule", "dice", "--save-label", "m.nii.gz", columns=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for cut in cuts:
        assert f"consensus, cut {cut:.3g} for Dice" in done.stdout
    np.testing.assert_array_equal(masks, load(tmp_path / "m.nii.gz"))


def test_remarks_are_of_the_cut_that_was_found(tmp_path: Path) -> None:
    """One or two of five mark each voxel: empty at 0.5, full at the cut for Dice."""
    votes = np.zeros((5, 8, 8, 8), np.uint8)
    for rater, slabs in zip(votes, ((0, 1, 2), (2, 3), (4,), (5, 6), (7,)), strict=True):
        rater[list(slabs)] = 1
    paths = [save(tmp_path / f"r{i}.nii.gz", one) for i, one in enumerate(votes)]
    with pytest.warns(fastfuse.FusionWarning, match=r"the consensus is empty at the cut 0\.5 "):
        fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method="majority")
    said = r"the consensus is full at the cut 0\.183673 .*: choose another cut, in place of the one found for Dice"
    with pytest.warns(fastfuse.FusionWarning, match=said):
        fastfuse.fuse_files(paths, tmp_path / "d.nii.gz", method="majority", cut="dice")
    assert json.loads((tmp_path / "d.json").read_text())["foreground"]["voxels"] == 512


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_nobody_marks_anything(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"r{i}.nii.gz", np.zeros((6, 6, 6), np.uint8)) for i in range(3)]
    fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", cut="dice", save_label=tmp_path / "l.nii.gz")
    assert not load(tmp_path / "l.nii.gz").any()
    facts = json.loads((tmp_path / "c.json").read_text())
    assert (facts["options"]["cut"], facts["foreground"]["voxels"]) == (0.5, 0)
