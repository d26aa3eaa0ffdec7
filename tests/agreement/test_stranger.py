"""The rater who overlaps little with every other: told with one case, and not of raters who are only poor."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.fusion.of_raters.stranger import in_words, stranger_among

from ..cli.common import ran
from .test_quality import FUSE

SHAPE = (48, 48, 32)
AFFINE = np.diag([1.0, 1.0, 1.5, 1.0])
TOLD = "overlaps little with every other rater"
Masks = list[np.ndarray]


def patient(seed: int, raters: int = 4) -> Masks:
    """Masks of ten lesions; raters draw them wider and narrower, and miss some of the small ones."""
    rng = np.random.default_rng(seed)
    grid = np.moveaxis(np.indices(SHAPE), 0, -1)
    centres, radii = rng.uniform([6] * 3, np.array(SHAPE) - 6, (10, 3)), rng.uniform(2, 4.5, 10)
    masks = []
    for rater in range(raters):
        mask = np.zeros(SHAPE, bool)
        for centre, radius in zip(centres, radii, strict=True):
            if radius < 3 and rng.random() < 0.3:
                continue
            drawn = radius + (-0.3, 0, 0.3, 0.1)[rater % 4]
            mask |= np.linalg.norm(grid - centre - rng.normal(0, 0.2, 3), axis=-1) <= drawn
        masks.append(mask.astype(np.uint8))
    return masks


def written(folder: Path, masks: Masks) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    for place, mask in enumerate(masks):
        nib.save(nib.Nifti1Image(mask, AFFINE), folder / f"r{place}.nii.gz")
    return [f"r{place}.nii.gz" for place in range(len(masks))]


def lesions_of(mask: np.ndarray, share: float) -> np.ndarray:
    ndimage = pytest.importorskip("scipy.ndimage")
    found, count = ndimage.label(mask)
    return np.isin(found, np.arange(1, max(1, round(share * count)) + 1)).astype(np.uint8)


def wider(mask: np.ndarray) -> np.ndarray:
    return pytest.importorskip("scipy.ndimage").binary_dilation(mask, iterations=2).astype(np.uint8)


POOR: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as the others": lambda mask: mask,
    "half of the lesions": lambda mask: lesions_of(mask, 0.5),
    "a tenth of them": lambda mask: lesions_of(mask, 0.1),
    "much too wide": wider,
    "a voxel away": lambda mask: np.roll(mask, 1, 0),
    "nothing": np.zeros_like,
    "a speck elsewhere": lambda mask: np.arange(mask.size).reshape(SHAPE).__lt__(3).astype(np.uint8),
}


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", POOR)
def test_nothing_is_said_of_poor_raters(tmp_path: Path, kind: str, seed: int) -> None:
    masks = patient(seed)
    masks[3] = POOR[kind](masks[3])
    written(tmp_path, masks)
    fastfuse.fuse_files(sorted(tmp_path.glob("r*")), tmp_path / "c.nii", method="majority")
    assert not [one for one in json.loads((tmp_path / "c.json").read_text())["warnings"] if TOLD in one]


@pytest.mark.parametrize("words", [[], ["--preset", "recommended"], ["--labels", "all"]])
def test_another_patients_file(tmp_path: Path, words: list[str]) -> None:
    masks = patient(0)
    masks[1] = patient(7)[1]
    files = written(tmp_path, masks)
    made = ran(tmp_path, "fuse", *files, "-o", "c.nii.gz", *words)
    assert made.returncode == 0, made.stderr
    told = " ".join(made.stderr.split())
    assert told.count(TOLD) == 1
    assert "r1.nii.gz overlaps little with every other rater (Dice at most 0." in told
    assert "this patient's, of this structure, and neither moved nor mirrored?" in told


@pytest.mark.parametrize("command", ["agreement", "compare"])
def test_other_commands(tmp_path: Path, command: str) -> None:
    masks = patient(1)
    masks[0] = patient(8)[0]
    made = ran(tmp_path, command, *written(tmp_path, masks))
    assert made.returncode == 0, made.stderr
    assert f"r0.nii.gz {TOLD}" in " ".join(made.stderr.split())


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_three_raters_and_two_strangers_tell_nothing(tmp_path: Path) -> None:
    three = [*patient(0, 2), patient(7)[1]]
    two = [*patient(0, 3), *patient(7, 2)]
    for masks in (three, two):
        folder = tmp_path / str(len(masks))
        written(folder, masks)
        fastfuse.fuse_files(sorted(folder.glob("r*")), folder / "c.nii", method="majority")
        assert TOLD not in (folder / "c.json").read_text()


def test_a_mirrored_file_is_told_as_such_alone(tmp_path: Path) -> None:
    masks = patient(2)
    masks[2] = masks[2][::-1].copy()
    made = ran(tmp_path, "fuse", *written(tmp_path, masks), "-o", "c.nii.gz", "--method", "majority")
    told = " ".join(made.stderr.split())
    assert "r2.nii.gz fits the others only when mirrored" in told
    assert TOLD not in told


def cohort(folder: Path, cases: int) -> None:
    """Cases whose raters 0 and 3 are near to each other, as others are; rater 2 has another file in the first one."""
    for case in range(cases):
        masks = patient(10 + case)
        masks[3] = np.where(np.arange(SHAPE[0])[:, None, None] % 16 == 0, masks[3], masks[0])
        if case == 0:
            masks[2] = patient(30)[2]
        written(folder / f"case{case}", masks)


@pytest.mark.parametrize("cases", [1, 2, 4])
def test_a_cohort_of_few_cases(tmp_path: Path, cases: int) -> None:
    """It names the stranger, and blames no pair that is near to each other only by comparison with the stranger's."""
    cohort(tmp_path / "data", cases)
    made = ran(tmp_path, *FUSE)
    assert made.returncode == 0, made.stderr
    facts = json.loads((tmp_path / "fused" / "cohort.json").read_text())
    said = facts["warnings"]["cohort"]
    named = [one for one in said if one.startswith("case0: r2 ")]
    assert len(named) == 1
    assert ("in other cases" if cases > 2 else TOLD) in named[0]
    rows = list(csv.DictReader((tmp_path / "fused" / "quality.csv").read_text().splitlines()))
    assert [row["cases_apart"] for row in rows[:4]] == ["", "", "case0", ""]


def test_pairs_are_held_against_sound_files(tmp_path: Path) -> None:
    """A pair that is nearer than others are by chance is blamed, or not, as without the stranger's file."""

    def blamed(folder: Path, *, strange: bool) -> list[Any]:
        for case in range(2):
            masks = patient(10 + case)
            masks[3] = np.where(np.arange(SHAPE[0])[:, None, None] % 3 == 0, masks[3], masks[0])
            if strange and case == 0:
                masks[2] = patient(30)[2]
            written(folder / "data" / f"case{case}", masks)
        assert ran(folder, *FUSE).returncode == 0
        said = json.loads((folder / "fused" / "cohort.json").read_text())["warnings"]["cohort"]
        return [one for one in said if "nearer to each other" in one]

    for name in ("sound", "strange"):
        (tmp_path / name).mkdir()
    assert blamed(tmp_path / "sound", strange=False) == []
    assert blamed(tmp_path / "strange", strange=True) == []


def test_the_rule() -> None:
    dice = np.full((4, 4), 0.7)
    dice[0, 1:] = dice[1:, 0] = 0.2
    np.fill_diagonal(dice, 1)
    volumes = np.full(4, 100.0)
    found = stranger_among(dice, volumes)
    assert found is not None
    assert found[:3] == (0, 0.2, 0.7)
    assert in_words("A", found).startswith(f"A {TOLD} (Dice at most 0.20, that of the others at least 0.70)")
    assert stranger_among(dice, volumes * [0.05, 1, 1, 1]) is None  # a few marks
    assert stranger_among(dice, volumes * [0.13, 1, 1, 1]) is None  # all of which others share
    assert stranger_among(dice[:3, :3], volumes[:3]) is None
    assert stranger_among(0.5 * dice + 0.5 * np.eye(4), volumes) is None  # others who do not agree


def test_who_read_another_part_is_no_stranger() -> None:
    """Raters with no voxel in common have no Dice; where all read, it tells."""
    masks = [mask.astype(np.float32) for mask in patient(0, 5)]
    masks[3][:24] = np.nan
    for mask in masks[:3]:
        mask[24:] = np.nan
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=f".*{TOLD}")
        warnings.filterwarnings("ignore", category=fastfuse.FusionWarning)
        fastfuse.agreement(masks[:4], missing="nan")
    others = [*(mask.astype(np.float32) for mask in patient(0, 4)), patient(1, 1)[0].astype(np.float32)]
    others[0][:6] = np.nan
    with pytest.warns(fastfuse.FusionWarning, match=f"rater 4 {TOLD}"):
        fastfuse.agreement(others, missing="nan")
