"""Several raters of an evaluation: what is no mask is refused, copies are told, as ``agreement`` does; ``compare`` too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse

from ...cli.common import save
from ...command import run_here

SHAPE = (8, 7, 6)
DRAWN = np.random.default_rng(3)
TRUTH = DRAWN.random(SHAPE) < 0.3
ONE, TWO, THREE = ((TRUTH ^ (DRAWN.random(SHAPE) < 0.1)).astype(np.uint8) for _ in range(3))
SIDES = (1.0, 1.2, 3.0)
SOFT = ONE * np.float32(0.7)


def against(raters: list[Any], prediction: Any = ONE, **options: Any) -> fastfuse.RaterEvaluation:
    return fastfuse.evaluate_against_raters(prediction, raters, spacing_mm=SIDES, **options)


@pytest.mark.filterwarnings("ignore:.*binarize counts")
@pytest.mark.parametrize(
    ("rater", "options", "remedies"),
    [
        (SOFT, {}, [{"truth_threshold": 0.5}, {"truth_binarize": True}]),
        (ONE * 0.3, {}, [{"truth_binarize": True}]),
        (ONE * 70.0, {"truth_scale": 100}, [{"truth_threshold": 50}]),
        (ONE * 70.0, {"truth_scale": "auto"}, [{"truth_threshold": 50}]),
        (np.where(ONE, 0.9, 0.1), {}, [{"truth_threshold": 0.5}]),
    ],
)
def test_soft_raters_are_refused(rater: Any, options: dict[str, Any], remedies: list[dict[str, Any]]) -> None:
    other = TWO * 100 if options else TWO
    with pytest.raises(ValueError, match=r"^rater 1: a vote is 0\.\d+: ") as refused:
        against([other, rater], **options)
    for remedy in remedies:
        ((name, value),) = remedy.items()
        assert f"{name}={value}" in str(refused.value)
        found = against([other, rater], **remedy)
        np.testing.assert_array_equal(found.dice_by_rater, against([TWO, ONE]).dice_by_rater)


def test_soft_votes_outside_the_mask_and_rounding_do_not_count() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[:4] = 1
    beyond = np.where(mask, ONE, 0.5)
    assert against([TWO, beyond], mask=mask).dice == against([TWO, ONE], mask=mask).dice
    with pytest.warns(fastfuse.FusionWarning, match="rounding left just beside 0 or 1"):
        rounded = against([TWO, ONE * 0.9999999])
    assert rounded.dice_by_rater[1] == 1


def test_a_prediction_below_the_cut_is_told() -> None:
    with pytest.warns(
        fastfuse.FusionWarning, match=r"prediction: its highest value is 0\.3, .* the cut 0\.5"
    ):
        assert against([ONE, TWO], TRUTH * 0.3).dice == 0
    with pytest.warns(fastfuse.FusionWarning, match=r"highest value is 0\.7, .* the cut 0\.8"):
        against([ONE, TWO], SOFT, cut=0.8)


def test_the_truth_of_a_comparison() -> None:
    masks = [ONE, TWO, THREE]
    with pytest.warns(fastfuse.FusionWarning, match=r"truth: its highest value is 0\.3, .* the cut 0\.5"):
        fastfuse.compare(masks, truth=TRUTH * 0.3, roi="all")
    with pytest.warns(
        fastfuse.FusionWarning, match="voxels with values between 0 and 1: what is at least 0.5"
    ):
        fastfuse.compare(masks, truth=TRUTH * 0.7, roi="all")
    with pytest.raises(ValueError, match=r"^rater 1: a vote is 0\.7"):
        fastfuse.compare([ONE, SOFT, TWO], roi="all")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for name, data in {
        "p": TRUTH * np.uint8(1),
        "one": ONE,
        "two": TWO,
        "three": THREE,
        "soft": SOFT,
    }.items():
        save(folder / f"{name}.nii.gz", data)
    save(folder / "copy.nii.gz", ONE.astype(np.float32))
    save(folder / "same.nii.gz", TRUTH.astype(np.float32))
    fastfuse.fuse_files([folder / f"{name}.nii.gz" for name in ("one", "two", "three")], folder / "ours.nii.gz",
                        method="majority", save_label=folder / "mask.nii.gz")  # fmt: skip
    return folder


@pytest.mark.parametrize(
    ("raters", "said"),
    [
        ("one two copy", "one.nii.gz and copy.nii.gz hold the same votes: they count as 2 raters"),
        ("one two same", "p.nii.gz and same.nii.gz hold the same: one of both is a copy"),
        ("one two one", "one.nii.gz, given twice, is one file"),
        ("one two p", "p.nii.gz is one of the raters too"),
        ("one two mask", "mask.nii.gz is a consensus that fastfuse wrote"),
    ],
)
def test_files_that_are_no_other_rater(folder: Path, raters: str, said: str) -> None:
    done = run_here(folder, "evaluate", *(f"{name}.nii.gz" for name in ["p", *raters.split()]))
    assert done.returncode == 0, done.stderr
    assert said in " ".join(done.stderr.split())


@pytest.mark.parametrize("rater", ["soft", "ours"])
@pytest.mark.parametrize("verb", ["evaluate", "agreement", "compare"])
def test_soft_files_are_refused(folder: Path, rater: str, verb: str) -> None:
    done = run_here(folder, verb, *(f"{name}.nii.gz" for name in ["one", "two", "three", rater]))
    assert done.returncode == 2
    assert re.match(rf"error: {rater}\.nii\.gz: a vote is 0\.\d+: ", done.stderr.splitlines()[-1])


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        ("one", "the truth (one.nii.gz) is one of the raters too"),
        ("copy", "the truth (copy.nii.gz) and one.nii.gz hold the same"),
    ],
)
def test_a_truth_that_is_a_rater(folder: Path, truth: str, said: str) -> None:
    masks = [folder / f"{name}.nii.gz" for name in ("one", "two", "three")]
    with pytest.warns(fastfuse.FusionWarning, match=re.escape(said)):
        fastfuse.compare_files(masks, truth=folder / f"{truth}.nii.gz")
