"""Rings that are counted in voxels reach far through thick slices: said once, wherever the voxel's size is known."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..cli.test_cli import run
from ..files.common import save

THICK, SHAPE = (0.4, 0.4, 5.0), (30, 30, 24)
RNG = np.random.default_rng(2)
FLAIR = RNG.random(SHAPE).astype(np.float32)
MASK = np.zeros(SHAPE, np.uint8)
MASK[10:20, 10:20, 11:13] = 1
MASKS = [MASK, np.roll(MASK, 1, 0), np.roll(MASK, 1, 1)]


def image(values: np.ndarray, edges: Sequence[float] = THICK) -> nib.Nifti1Image:
    return nib.Nifti1Image(values, np.diag([*edges, 1.0]))


def images(edges: Sequence[float] = THICK) -> tuple[list[Any], Any]:
    return [image(mask, edges) for mask in MASKS], image(FLAIR, edges)


CALLS: dict[str, Callable[..., Any]] = {
    "conditional_dilation": lambda masks, flair, **given: fastfuse.conditional_dilation(
        masks[0], flair, **given
    ),
    "soften": fastfuse.soften,
    "soften_labels": fastfuse.soften_labels,
    "dilated_staple": fastfuse.dilated_staple,
}


def said(told: Sequence[Any]) -> list[str]:
    return [str(one.message) for one in told if "rings are counted in voxels" in str(one.message)]


@pytest.mark.parametrize("name", CALLS)
def test_in_memory(name: str, recwarn: pytest.WarningsRecorder) -> None:
    """Once, by the images' size or by the one that is given; nothing where it is not known, or a radius is in mm."""
    warnings.simplefilter("always")
    call = CALLS[name]
    by_voxels = call(*images())
    assert len(said(recwarn.list)) == 1
    assert "; radius_mm=3 sets one reach in mm" in said(recwarn.list)[0]
    recwarn.clear()
    call(MASKS, FLAIR, spacing_mm=THICK)
    assert len(said(recwarn.list)) == 1
    recwarn.clear()
    plain = call(MASKS, FLAIR)
    call(MASKS, FLAIR, spacing_mm=THICK, radius_mm=3)
    assert not said(recwarn.list)
    if name == "conditional_dilation":
        np.testing.assert_array_equal(by_voxels.values, plain.values)


@pytest.mark.parametrize(
    ("edges", "iterations", "told"),
    [
        ((1, 1, 1), 6, False),
        ((2, 2, 2), 6, False),  # far, and as far along each
        ((0.5, 1.1, 0.5), 6, False),  # of MSSEG-2016
        ((1.25, 1.03, 1.03), 6, False),
        ((1, 1, 2), 6, False),
        ((1, 1, 3), 6, True),
        ((5, 0.4, 0.4), 6, True),
        ((0.4, 0.4, 5), 1, False),
        ((0.4, 0.4, 5), 2, True),
    ],
)
def test_where_it_is_said(edges: Any, iterations: int, told: bool, recwarn: pytest.WarningsRecorder) -> None:
    fastfuse.conditional_dilation(MASK, FLAIR, spacing_mm=edges, iterations=iterations)
    assert bool(said(recwarn.list)) == told


def test_nothing_grew(recwarn: pytest.WarningsRecorder) -> None:
    fastfuse.conditional_dilation(np.zeros_like(MASK), FLAIR, spacing_mm=THICK)
    fastfuse.conditional_dilation(MASK, FLAIR, spacing_mm=THICK, threshold=2.0)
    assert not said(recwarn.list)


def save_case(folder: Path) -> None:
    """Write masks, image, and the table of a cohort that has this case alone."""
    rows = ["case\trater\tpath\timage"]
    for k, mask in enumerate(MASKS):
        save(folder / f"r{k}.nii", mask, np.diag([*THICK, 1.0]))
        rows.append(f"x\t{k}\tr{k}.nii\tflair.nii")
    save(folder / "flair.nii", FLAIR, np.diag([*THICK, 1.0]))
    (folder / "cases.tsv").write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize(
    "words",
    [
        ["fuse", "r0.nii", "r1.nii", "r2.nii", "-o", "c.nii", "--soften"],
        ["fuse", "r0.nii", "r1.nii", "r2.nii", "-o", "c.nii", "--method", "dilated-staple"],
        ["soften", "r0.nii", "r1.nii", "r2.nii", "--out-dir", "soft"],
        ["compare", "r0.nii", "r1.nii", "r2.nii"],
        ["cohort", "fuse", ".", "--out", "out", "--table", "cases.tsv", "--soften"],
    ],
)
def test_in_the_shell(tmp_path: Path, words: list[str]) -> None:
    save_case(tmp_path)
    of_cohort = words[0] == "cohort"
    done = run(tmp_path, *words, *([] if of_cohort else ["--image", "flair.nii"]))
    assert done.returncode == 0, done.stderr
    if of_cohort:
        told = " ".join(
            json.loads((tmp_path / "out" / "cases" / "x" / "consensus.json").read_text())["warnings"]
        )
    else:
        told = " ".join(done.stderr.split())
    reach = "6 dilations may reach 30 mm along the longest edge, and 2.4 mm along the shortest"
    assert told.count(f"rings are counted in voxels, of 0.4 x 0.4 x 5 mm: {reach}") == 1
    assert ("--ring-radius-mm 3 sets one reach in mm" in told) == (words[0] != "compare")
    if words[0] == "soften":
        facts = json.loads((tmp_path / "soft" / "r0.json").read_text())
        assert [one for one in facts["warnings"] if "30 mm" in one]


def test_a_cohort_takes_a_radius(tmp_path: Path) -> None:
    """As ``fuse`` does: the same consensus, and nothing is said of a reach."""
    save_case(tmp_path)
    rings = ["--soften", "--ring-radius-mm", "5.5", "--ring-size", "1.4"]
    one = run(tmp_path, "fuse", "r0.nii", "r1.nii", "r2.nii", "-o", "c.nii", "--image", "flair.nii", *rings)
    assert one.returncode == 0, one.stderr
    done = run(
        tmp_path, "cohort", "fuse", ".", "--out", "out", "--table", "cases.tsv", "--pool", "none", *rings
    )
    assert done.returncode == 0, done.stderr
    consensus = tmp_path / "out" / "cases" / "x" / "consensus.nii.gz"
    alone, of_cohort = (np.asarray(nib.load(path).dataobj) for path in (tmp_path / "c.nii", consensus))
    np.testing.assert_array_equal(of_cohort, alone)
    facts = json.loads((consensus.parent / "consensus.json").read_text())
    assert not [one for one in facts["warnings"] if "rings are counted" in one]
    wide = run(
        tmp_path, "cohort", "fuse", ".", "--out", "wide", "--table", "cases.tsv", "--pool", "none", "--soften"
    )
    assert wide.returncode == 0, wide.stderr
    other = np.asarray(nib.load(tmp_path / "wide" / "cases" / "x" / "consensus.nii.gz").dataobj)
    assert (other != alone).any()
    refused = run(
        tmp_path, "cohort", "fuse", ".", "--out", "no", "--table", "cases.tsv", "--ring-size", "1.4"
    )
    assert refused.returncode == 2
    assert not (tmp_path / "no" / "cases").exists()
