"""What the caller gives stands, though it is the default of most methods."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from tests.command import run_here

MASKS = [
    (np.hypot(*(np.mgrid[-10:10, -10:10, -4:4][:2])) < radius).astype(np.uint8)
    for radius in (3, 4, 4.5, 5, 6)
]
MM = (1.0, 1.0, 1.0)
GIVEN = [{}, {"roi": "all"}, {"roi": 4}, {"tol": 1e-7, "max_iter": 60}, {"roi": "all", "tol": 1e-2}]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"r{i}.nii.gz" for i in range(len(MASKS))]
    for path, mask in zip(paths, MASKS, strict=True):
        nib.save(nib.Nifti1Image(mask, np.eye(4)), path)
    return paths


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_by_name_and_in_files(given: dict, files: list[Path], tmp_path: Path) -> None:
    wanted = fastfuse.border_staple(MASKS, spacing_mm=MM, **given)
    by_name = fastfuse.fuse(MASKS, "border-staple", spacing_mm=MM, **given)
    np.testing.assert_array_equal(by_name.probability, wanted.probability)
    fastfuse.fuse_files(files, tmp_path / "c.nii.gz", method="border-staple", **given)
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "c.nii.gz").dataobj), wanted.probability)
    facts = json.loads((tmp_path / "c.json").read_text())
    assert {name: facts["options"][name] for name in given} == given


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_apply() -> None:
    estimate = fastfuse.estimate(fastfuse.tabulate(MASKS, roi=4, spacing_mm=MM), "border-staple")
    near = estimate.apply(MASKS, spacing_mm=MM).probability
    everywhere = estimate.apply(MASKS, roi="all", spacing_mm=MM).probability
    np.testing.assert_array_equal(near, estimate.apply(MASKS, roi=4, spacing_mm=MM).probability)
    assert (near == 0).sum() > (everywhere == 0).sum() == 0


@pytest.mark.parametrize("words", [[], ["--roi", "all"], ["--tol", "1e-7"]], ids=str)
def test_in_the_shell(words: list[str], files: list[Path], tmp_path: Path) -> None:
    """Of one case, and of a cohort."""
    usual = {"roi": 4.0, "tol": 1e-4}
    wanted = {"[]": {}, "--roi": {"roi": "all"}, "--tol": {"tol": 1e-7}}[words[0] if words else "[]"]
    names = [path.name for path in files]
    run_here(tmp_path, "fuse", *names, "-o", "c.nii.gz", "--method", "border-staple", *words)
    case = tmp_path / "cohort" / "one"
    case.mkdir(parents=True)
    for path in files:
        path.rename(case / path.name)
    where = ["cohort", "--out", "out", "--glob", "{case}/{rater}.nii.gz"]
    run_here(tmp_path, "cohort", "fuse", *where, "--method", "border-staple", *words)
    for sidecar in ("c.json", "out/cases/one/consensus.json"):
        options = json.loads((tmp_path / sidecar).read_text())["options"]
        assert {name: options[name] for name in usual} == usual | wanted, sidecar


def test_the_warning_names_the_caller() -> None:
    with pytest.warns(fastfuse.FusionWarning, match="max_iter") as caught:
        fastfuse.fuse(MASKS, "border-staple", spacing_mm=MM, max_iter=2)
    assert caught[0].filename == __file__
