"""What is printed, what the sidecar says and what the images hold are one: every number is made again from the files."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

import fastfuse

from ..command import run_here
from .common import AFFINE, FLOAT, MASKS, load, row_of

VOXEL_ML = abs(np.linalg.det(AFFINE[:3, :3])) / 1000
SOFT = [f"network_{i}.nii.gz" for i in range(4)]
JOBS = {
    "masks": [*MASKS, "--method", "staple"],
    "masks in the brain": [*MASKS, "--method", "staple", "--mask", "brain.nii.gz"],
    "grown": [*MASKS, "--soften", "--image", "flair.nii.gz", "--mask", "brain.nii.gz"],
    "grown, a strong ring": [*MASKS, "--soften", "--image", "flair.nii.gz", "--ring-label", "0.7"],
    "probabilities": [*SOFT, "--m-step", "em", "--mask", "brain.nii.gz"],
    "their mean": [*SOFT, "--method", "majority"],
    "a margin": [*MASKS, "--method", "staple", "--roi", "4"],
    "in dispute": [*MASKS, "--method", "staple", "--roi", "disputed"],
    "dilated": [*MASKS, "--method", "dilated-staple", "--image", "flair.nii.gz"],
    "one label": [*MASKS, "--select-label", "1"],
    "present": [*MASKS, "--present", "-", "--present", "brain.nii.gz", "--present", "-", "--present", "-"],
}
CUTS = ("0.25", "0.5", "0.7")
TRIED = [*zip(JOBS, itertools.cycle(CUTS), strict=False), *(("probabilities", cut) for cut in CUTS)]


@pytest.fixture(scope="module", params=TRIED, ids=" ".join)
def done(request: pytest.FixtureRequest, case: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    job, cut = request.param
    out = tmp_path_factory.mktemp("out")
    written = ["-o", out / "c.nii.gz", "--save-label", out / "l.nii.gz", "--save-counts", out / "n.nii.gz"]
    run = run_here(case, "fuse", *map(str, [*JOBS[job], *written]), "--cut", cut, columns=200)
    assert run.returncode == 0, run.stderr
    facts = json.loads((out / "c.json").read_text())
    return job, float(cut), case, out, run, facts


def region_of(job: str, case: Path) -> np.ndarray:
    brain = load(case / "brain.nii.gz") == 1
    return brain if "brain.nii.gz" in JOBS[job] and "present" not in job else np.ones_like(brain)


def marked_by(job: str, case: Path) -> list[np.ndarray]:
    """Return what each rater marks, from the inputs."""
    files = SOFT if SOFT[0] in JOBS[job] else MASKS
    marked = [(load(case / name) >= 0.5) & region_of(job, case) for name in files]
    if job == "present":
        marked[1] = marked[1] & (load(case / "brain.nii.gz") == 1)
    return marked


def test_the_consensus(done: tuple) -> None:
    _, cut, _, out, run, facts = done
    probability, label = load(out / "c.nii.gz"), load(out / "l.nii.gz")
    assert probability.dtype == np.float32
    np.testing.assert_array_equal(label, probability >= np.float32(cut))
    voxels = int(label.sum())
    assert facts["foreground"]["voxels"] == voxels
    assert facts["foreground"]["ml"] == pytest.approx(voxels * VOXEL_ML, rel=1e-6)
    summed = probability.astype(np.float64).sum()
    assert facts["probability"]["voxels"] == pytest.approx(summed, rel=1e-12)
    assert facts["probability"]["ml"] == pytest.approx(summed * VOXEL_ML, rel=1e-6)
    cells = row_of(run.stdout, f"consensus, cut {cut:g}")
    assert cells[0] == f"{voxels * VOXEL_ML:.2f}"
    if len(cells) > 1:
        assert cells[1] == f"{summed * VOXEL_ML:.2f}"


def test_what_raters_mark(done: tuple) -> None:
    job, _, case, out, run, facts = done
    marked = marked_by(job, case)
    np.testing.assert_array_equal(load(out / "n.nii.gz"), np.sum(marked, axis=0))
    for rater, mask in zip(facts["raters"], marked, strict=True):
        voxels = int(mask.sum())
        assert rater["marked_voxels"] == voxels
        assert rater["marked_ml"] == pytest.approx(voxels * VOXEL_ML, rel=1e-6)
        assert row_of(run.stdout, rater["name"])[5] == f"{voxels * VOXEL_ML:.2f}"
    assert sum(rater["marked_voxels"] for rater in facts["raters"]) == load(out / "n.nii.gz").sum()


def votes_of(job: str, case: Path) -> list[np.ndarray]:
    """Return each rater's votes in the region, from the inputs."""
    if "--soften" not in JOBS[job]:
        return [
            load(case / name) * region_of(job, case) for name in (SOFT if SOFT[0] in JOBS[job] else MASKS)
        ]
    label = 0.7 if "0.7" in JOBS[job] else 0.3
    roi = region_of(job, case) if "brain.nii.gz" in JOBS[job] else None
    grown = fastfuse.soften(
        [load(case / name) for name in MASKS], load(case / "flair.nii.gz"), roi=roi, label=label
    )
    return [soft.values * region_of(job, case) for soft in grown]


def test_sums_of_votes(done: tuple) -> None:
    job, _, case, _, run, facts = done
    if job == "present":
        pytest.skip("the same as without, for all raters but one")
    given = any("votes (ml)" in line for line in run.stdout.splitlines())
    for rater, votes in zip(facts["raters"], votes_of(job, case), strict=True):
        summed = votes.astype(np.float64).sum()
        assert rater["volume_voxels"] == pytest.approx(summed, rel=1e-6)
        if given:
            assert row_of(run.stdout, rater["name"])[6] == f"{rater['volume_ml']:.2f}"
        else:
            assert summed == rater["marked_voxels"]


def test_agreement_with_the_consensus(done: tuple) -> None:
    """PPV, NPV and Dice are against the probability, as it is written."""
    job, _, case, out, run, facts = done
    if job in ("dilated", "present", "a margin", "in dispute"):
        pytest.skip("against STAPLE's own consensus, or in another region")
    inside = region_of(job, case)
    w = load(out / "c.nii.gz")[inside].astype(np.float64)
    for rater, votes in zip(facts["raters"], votes_of(job, case), strict=True):
        q = votes[inside].astype(np.float64)
        expected = {
            "ppv": (w * q).sum() / q.sum(),
            "npv": ((1 - w) * (1 - q)).sum() / (1 - q).sum(),
            "dice": 2 * (w * q).sum() / (w.sum() + q.sum()),
        }
        cells = row_of(run.stdout, rater["name"])
        for at, (name, value) in enumerate(expected.items(), start=2):
            assert rater[name] == pytest.approx(value, abs=2e-6)
            assert cells[at] == f"{rater[name]:.4f}"
        assert cells[:2] == [f"{rater['sensitivity']:.4f}", f"{rater['specificity']:.4f}"]


def test_the_lines_below(done: tuple) -> None:
    job, _, case, out, run, facts = done
    words = JOBS[job]
    assert f"{facts['region']['voxels']:,} voxels (" in run.stdout
    if "--roi" not in words:
        assert facts["region"]["voxels"] == region_of(job, case).sum()
    iterations = re.search(r"([\d,]+) iterations?, (?:not )?converged", run.stdout)
    assert (iterations is None) == (job == "their mean")
    assert iterations is None or int(iterations[1].replace(",", "")) == facts["n_iter"] == len(
        facts["log_likelihood"]
    )
    assert ("to leave it out" in run.stdout) == ("--mask" not in words and "--roi" not in words)
    ring = facts.get("dilation", {}).get("consensus")
    if ring:
        probability = load(out / "c.nii.gz")
        assert ring["ring_voxels"] == (probability == np.float32(0.3)).sum()
        size = np.count_nonzero(probability) / np.count_nonzero(probability == 1)
        assert f"grown to × {size:.3f} by a ring of {ring['ring_voxels'] * VOXEL_ML:.2f} ml" in run.stdout


def test_warnings_are_those_of_the_sidecar(done: tuple) -> None:
    *_, run, facts = done
    lines = [line.removeprefix("warning: ") for line in run.stderr.splitlines()]
    assert len(lines) == len(facts["warnings"])


def test_soften(case: Path, tmp_path: Path) -> None:
    words = ["soften", *MASKS, "--image", "flair.nii.gz", "--out-dir", str(tmp_path)]
    run = run_here(case, *words)
    for name in MASKS:
        soft = load(tmp_path / name)
        marked, ring = int((soft == 1).sum()), int((soft == np.float32(0.3)).sum())
        assert marked == load(case / name).sum()
        cells = row_of(run.stdout, name)
        assert cells[:3] == [f"{marked:,}", f"{ring:,}", f"{(marked + ring) / marked:.3f}"]
        facts = json.loads((tmp_path / name.replace(".nii.gz", ".json")).read_text())
        assert (facts["mask_voxels"], facts["ring_voxels"]) == (marked, ring)
        darkest = load(case / "flair.nii.gz")[soft == np.float32(0.3)].min()
        assert darkest > facts["image_threshold"]


def test_evaluate(case: Path, tmp_path: Path) -> None:
    run = run_here(case, "evaluate", SOFT[0], MASKS[1], "--cut", "0.4", "--mask", "brain.nii.gz")
    inside = load(case / "brain.nii.gz") == 1
    predicted, true = load(case / SOFT[0])[inside] >= np.float32(0.4), load(case / MASKS[1])[inside] == 1
    both = int((predicted & true).sum())
    expected = {
        "Dice": 2 * both / (predicted.sum() + true.sum()),
        "precision": both / predicted.sum(),
        "recall": both / true.sum(),
        "specificity": (~predicted & ~true).sum() / (~true).sum(),
    }
    for name, value in expected.items():
        assert re.search(rf"^ +{name} +{value:.4f}", run.stdout, re.MULTILINE), name
    assert f"{both:,} voxels shared" in run.stdout
    assert re.search(rf"volume \(ml\) +{predicted.sum() * VOXEL_ML:.2f}", run.stdout)
    assert re.search(rf"true: {true.sum() * VOXEL_ML:.2f}", run.stdout)
    assert f"{inside.sum():,} voxels (inside brain.nii.gz), cut 0.4" in run.stdout
    assert re.search(FLOAT, run.stdout)
